"""Every setting of the system, from one TOML file and the environment, validated at load.

The file is named by ``ADOPTION_SETTINGS``; else ``adoption.toml`` in the project folder; else the
sample organisation's. Secrets (mail passwords, API keys) come from the environment only and are
refused in the file.
"""

from __future__ import annotations

import os
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

import holidays
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestration.problems import Problem

PROJECT_ROOT = Path(__file__).resolve().parent.parent
SETTINGS_VARIABLE = "ADOPTION_SETTINGS"
SAMPLE_SETTINGS = PROJECT_ROOT / "orchestration" / "sample" / "organisation.toml"

FeedName = Literal[
    "people",
    "org_units",
    "courses",
    "enrolments",
    "activity",
    "assessments",
    "certifications",
    "leader_actions",
    "business_outcomes",
    "initiatives",
    "decisions",
    "records",
]


Naming = Literal["none", "sponsors_and_elt", "leaders"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrganisationSettings(_Strict):
    """Who is reviewed and by which clock and calendar."""

    name: str = Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$")
    time_zone: str = "UTC"
    country: str = Field(default="GB", description="ISO 3166 code, for public holidays")
    subdivision: str | None = None
    currency: str = Field(default="GBP", pattern="^[A-Z]{3}$")
    privacy_threshold: int = Field(default=5, ge=1)
    history_from: date = Field(
        default=date(2024, 1, 1),
        description="first day that partitions and reports exist for",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r} is not an IANA time zone such as 'Europe/London'")
        return value

    @model_validator(mode="after")
    def _known_country(self) -> OrganisationSettings:
        try:
            holidays.country_holidays(self.country, subdiv=self.subdivision)
        except NotImplementedError as error:
            raise ValueError(
                f"no public holidays known for {self.country!r} {self.subdivision or ''}"
            ) from error
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""
        return ZoneInfo(self.time_zone)


class PrivacySettings(_Strict):
    """Whom pages name. What a small group is: ``organisation.privacy_threshold``.

    ``none`` names nobody, ``sponsors_and_elt`` executive sponsor, sponsors and members of the
    executive leadership team, ``leaders`` unit heads and heads of functions as well. Of everybody
    else, and of whoever is not named, pages say the role and its unit. It applies to whatever is
    made from then on; a letter to nobody but its leader greets them by name all the same.
    """

    names: Naming = "sponsors_and_elt"


class PathSettings(_Strict):
    """Where things lie. Relative paths are taken from the project folder."""

    home: Path = Path("var")
    landing: Path | None = None
    lake: str | None = Field(default=None, description="any fsspec URL; default <home>/lake")
    charter: Path | None = Field(
        default=None,
        description="folder of seed CSVs that replace the shipped charter's",
    )
    dagster: Path | None = Field(
        default=None,
        description="a dagster.yaml of your own, which adds to the project's: run launcher, queue",
    )
    instance: str | None = Field(
        default=None,
        pattern="^postgresql://",
        repr=False,  # it may hold a password, though PGPASSWORD is the better place
        description="URL of Dagster's own storage on PostgreSQL; default SQLite in home",
    )
    state: str | None = Field(
        default=None,
        repr=False,  # it may hold a password
        description="SQLAlchemy URL of the state database; default SQLite in home",
    )

    @model_validator(mode="after")
    def _a_database_each(self) -> PathSettings:
        state = (self.state or "").partition("://")[2]
        if self.instance is not None and self.instance.partition("://")[2] == state:
            raise ValueError("state and instance each need a database of their own")
        return self


class DuckDBSettings(_Strict):
    """Limits of the engine."""

    memory_limit: str = "6GB"
    threads: int = Field(default=2, ge=1)
    lock_timeout_seconds: float = Field(default=600, ge=0)


class WarehouseSettings(_Strict):
    """What builds the models: DuckDB on this machine, or Apache Spark on one or many.

    Where Spark runs and how large is its own configuration
    (``spark-defaults.conf`` in the folder that ``SPARK_CONF_DIR`` names).
    """

    engine: Literal["duckdb", "spark"] = "duckdb"
    spark: Path | None = Field(
        default=None,
        description="folder of Spark's tables, which every worker reaches; default <home>/spark",
    )


class ReviewSettings(_Strict):
    """When each ritual falls due, and what a stale feed does to it."""

    weekly_weekday: Annotated[int, Field(ge=0, le=4)] = 0
    monthly_working_day: Annotated[int, Field(ge=1, le=20)] = 5
    quarterly_working_day: Annotated[int, Field(ge=1, le=30)] = 10
    close_working_days_before: Annotated[int, Field(ge=0, le=10)] = 2
    hour: Annotated[int, Field(ge=0, le=23)] = 7
    on_stale: Literal["mark", "hold"] = "mark"


class SmtpSettings(_Strict):
    """An SMTP relay. The password is ``ADOPTION_SMTP_PASSWORD`` in the environment."""

    host: str = "localhost"
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None


class SendGridSettings(_Strict):
    """SendGrid v3. The key is ``ADOPTION_SENDGRID_API_KEY`` in the environment."""

    host: str = "https://api.eu.sendgrid.com"
    category: str = "lms-adoption-review"


class DeliverySettings(_Strict):
    """Through which channel mail leaves, from whom, and to which domains only."""

    channel: Literal["outbox", "smtp", "sendgrid"] = "outbox"
    sender: str = "Adoption Review <adoption-review@example.org>"
    allowed_domains: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=30, gt=0)
    smtp: SmtpSettings = SmtpSettings()
    sendgrid: SendGridSettings = SendGridSettings()


class AlertSettings(_Strict):
    """Who is told of faults beside the owners of feeds, and how often.

    A feed's ``owner_email`` or ``owner_role`` is told of the feed; ``operations_email`` of failed
    checks and runs; the programme lead (``lead_email``, else who holds ``lead_role``) of whatever
    has no reachable owner or is not mended in time. A chat is told of everything where
    ``ADOPTION_ALERT_WEBHOOK`` is set, in the notation of the Apprise library, such as
    ``slack://...`` or ``json://host/path``; an outside monitor is called at every round where
    ``ADOPTION_HEARTBEAT_URL`` is set.

    What breaks for the ``flapping_times``-th time within ``flapping_hours`` is told once more, as
    coming and going, and counts as recovered only after it was well for ``flapping_hours`` on end.
    """

    reminder_hours: float = Field(default=24, gt=0, description="on working days only")
    escalation_hours: float = Field(default=72, gt=0, description="from the first word on")
    flapping_times: int = Field(default=3, ge=2)
    flapping_hours: float = Field(default=24, gt=0)
    operations_email: str | None = None
    lead_email: str | None = None
    lead_role: str = "program_lead"


class QualitySettings(_Strict):
    """What the archive shows of data quality beside its own pages."""

    data_docs: bool = Field(
        default=False,
        description="Great Expectations' own Data Docs too: plain, as what they load from other "
        "hosts is taken out",
    )


class BackupSettings(_Strict):
    """Backups by schedule, every night; none where no folder is named. Best on another disk."""

    folder: Path | None = None
    hour: Annotated[int, Field(ge=0, le=23)] = 2
    lake: bool = Field(default=False, description="the lake too; ingest and builds wait meanwhile")
    keep: int = Field(default=14, ge=1, description="newest backups that retention leaves")


class RetentionSettings(_Strict):
    """How long what can be done without is kept, in days; null for ever.

    Editions, the ledger and raw deliveries are never removed. The content of quarantined rows is,
    while their number, place and reason stay.
    """

    scheduled: bool = Field(default=True, description="every night; else only by the command")
    hour: Annotated[int, Field(ge=0, le=23)] = 3
    run_days: int | None = Field(default=400, ge=1, description="Dagster's runs with their events")
    tick_days: int | None = Field(default=30, ge=1, description="of schedules and sensors")
    log_days: int | None = Field(default=90, ge=1, description="what runs printed")
    quarantine_days: int | None = Field(default=180, ge=1, description="what rejected rows say")
    outbox_days: int | None = Field(default=400, ge=1, description="mail delivered to files")
    draft_days: int | None = Field(default=90, ge=31, description="of what was sent or never will")


class ConfirmationSettings(_Strict):
    """Links by which people confirm ("I cascaded this"); ``serve-events`` answers them.

    They are given out where ``base_url`` is set and ``ADOPTION_LINK_KEY`` in the environment.
    """

    base_url: str | None = Field(
        default=None, description="where serve-events is reached from outside; https"
    )


class FeedSettings(_Strict):
    """One feed: where its deliveries lie and how they become the contract's table.

    ``files`` names each view and its path pattern under the landing folder; ``{date}`` (or
    ``{date:%Y%m%d}``) stands for the delivery date and the optional ``{sequence}`` for the number
    of a re-delivery. Give ``columns`` (contract column = source column) or ``select`` (one SELECT
    over the views). ``sheet`` names the sheet of an XLSX workbook: one for every file, or a table
    view = sheet, so that one workbook serves several feeds and one feed several sheets; the first
    sheet where nothing is named.
    """

    files: dict[str, str] = Field(min_length=1)
    format: Literal["csv", "xlsx", "jsonl", "parquet"] = "csv"
    delivery: Literal["snapshot", "changes", "events"] | None = None
    delimiter: str = ","
    quote: str = '"'
    encoding: Literal["utf-8", "utf-16", "latin-1"] = "utf-8"
    null_values: tuple[str, ...] = ("",)
    sheet: str | dict[str, str] | None = None
    date_format: str = "%Y-%m-%d"
    timestamp_format: str | None = None
    time_zone: str | None = Field(default=None, description="of naive times; default UTC")
    columns: dict[str, str] | None = None
    select: str | None = None
    reject: dict[str, str] = Field(
        default_factory=dict,
        description="reason = SQL condition that quarantines a row",
    )
    required: bool = True
    owner: str = "programme lead"
    owner_email: str | None = Field(default=None, description="who is told when it is broken")
    owner_role: str | None = Field(
        default=None, description="or the governance role whose holder is told"
    )
    deadline_days: int = Field(
        default=3,
        ge=0,
        description="working days after the end of a month, and of a week for what comes weekly",
    )
    max_quiet_days: int = Field(
        default=7,
        ge=0,
        description="days the newest data may lie before a period's end",
    )

    def sheet_of(self, view: str) -> str | None:
        """The sheet that a view is read from; None for the first."""
        return self.sheet.get(view) if isinstance(self.sheet, dict) else self.sheet

    @model_validator(mode="after")
    def _one_mapping(self) -> FeedSettings:
        if self.columns is not None and self.select is not None:
            raise ValueError("give either `columns` or `select`, not both")
        if self.columns is not None and len(self.files) > 1:
            raise ValueError("several files need a `select` that says how they join")
        if isinstance(self.sheet, dict) and (unknown := set(self.sheet) - set(self.files)):
            raise ValueError(f"sheet names {sorted(unknown)[0]!r}, which `files` does not")
        for pattern in self.files.values():
            if "{date" not in pattern:
                raise ValueError(f"file pattern {pattern!r} has no {{date}}")
            if pattern.startswith(("/", "~")) or ".." in Path(pattern).parts:
                raise ValueError(f"file pattern {pattern!r} leaves the landing folder")
        return self


class LandingSettings(_Strict):
    """Arrival of files."""

    settle_seconds: float = Field(
        default=10,
        ge=0,
        description="a file younger than this may still be being written",
    )
    max_field_characters: int = Field(default=4000, ge=100)


class Secrets(BaseSettings):
    """What must never stand in a file: read from ``ADOPTION_*`` environment variables only."""

    model_config = SettingsConfigDict(env_prefix="ADOPTION_", extra="ignore")

    smtp_password: SecretStr | None = None
    sendgrid_api_key: SecretStr | None = None
    sendgrid_webhook_key: SecretStr | None = None  # public, and refused in the file all the same
    link_key: SecretStr | None = None
    alert_webhook: SecretStr | None = None
    heartbeat_url: SecretStr | None = None


RECORDS = FeedSettings(
    files={"records": "records/records_{date}_{sequence}.jsonl"},
    format="jsonl",
    required=False,
)
"""Where the system itself writes what people record: connected in every organisation."""


class Settings(_Strict):
    """All settings of one organisation."""

    organisation: OrganisationSettings
    privacy: PrivacySettings = PrivacySettings()
    paths: PathSettings = PathSettings()
    duckdb: DuckDBSettings = DuckDBSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    landing: LandingSettings = LandingSettings()
    review: ReviewSettings = ReviewSettings()
    delivery: DeliverySettings = DeliverySettings()
    confirmations: ConfirmationSettings = ConfirmationSettings()
    alerts: AlertSettings = AlertSettings()
    quality: QualitySettings = QualitySettings()
    backup: BackupSettings = BackupSettings()
    retention: RetentionSettings = RetentionSettings()
    feeds: dict[FeedName, FeedSettings] = Field(default_factory=dict, validate_default=True)

    @field_validator("feeds")
    @classmethod
    def _always_connected(cls, value: dict[FeedName, FeedSettings]) -> dict[FeedName, FeedSettings]:
        return {**value, "records": value.get("records", RECORDS)}

    @property
    def home(self) -> Path:
        """Absolute folder of everything the system writes."""
        return _absolute(self.paths.home)

    @property
    def landing_folder(self) -> Path:
        """Absolute folder that deliveries arrive in."""
        return _absolute(self.paths.landing) if self.paths.landing else self.home / "landing"

    @property
    def lake_url(self) -> str:
        """Root of the Parquet lake: an absolute local path or an fsspec URL."""
        url = self.paths.lake
        if url is None:
            return str(self.home / "lake")
        return url if "://" in url else str(_absolute(Path(url)))

    @property
    def warehouse_file(self) -> Path:
        """The DuckDB file; it may be deleted and rebuilt at any time.

        Where Spark builds the models it holds views of Spark's tables.
        """
        name = "adoption.duckdb" if self.warehouse.engine == "duckdb" else "spark.duckdb"
        return self.home / "warehouse" / name

    @property
    def spark_folder(self) -> Path:
        """Absolute folder of Spark's tables and of the metastore that lists them."""
        return _absolute(self.warehouse.spark) if self.warehouse.spark else self.home / "spark"

    @property
    def state_url(self) -> str:
        """SQLAlchemy URL of the state that cannot be rebuilt (intents, editions, ledger)."""
        return self.paths.state or f"sqlite:///{self.home / 'state' / 'state.sqlite'}"

    @property
    def backup_folder(self) -> Path | None:
        """Absolute folder that scheduled backups go to, where set."""
        return _absolute(self.backup.folder) if self.backup.folder else None

    @property
    def own_dagster_yaml(self) -> Path | None:
        """The instance's configuration that adds to the project's, where set."""
        return _absolute(self.paths.dagster) if self.paths.dagster else None

    @property
    def charter_overlay(self) -> Path | None:
        """Folder of seeds that replace shipped ones, where set."""
        return _absolute(self.paths.charter) if self.paths.charter else None


def _absolute(path: Path) -> Path:
    return path if path.is_absolute() else (PROJECT_ROOT / path).resolve()


def settings_file() -> Path:
    """The settings file in force (see the module's description)."""
    named = os.environ.get(SETTINGS_VARIABLE)
    if named:
        return _absolute(Path(named))
    own = PROJECT_ROOT / "adoption.toml"
    return own if own.exists() else SAMPLE_SETTINGS


def load_settings(path: Path | None = None) -> Settings:
    """Read and validate the settings file.

    Raises:
        Problem: the file is missing, is not TOML, or a setting is wrong; names the setting.
    """
    file = path or settings_file()
    try:
        raw: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(
            "the settings file does not exist.",
            file=str(file),
            remedy=f"create it or set {SETTINGS_VARIABLE} to the right path.",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"not readable as TOML: {error}.", file=str(file)) from error
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(
            f"[{'.'.join(str(part) for part in fault['loc'])}] {fault['msg']}"
            for fault in error.errors(include_input=False)
        )
        raise Problem(
            f"settings are not valid: {faults}.",
            file=str(file),
            remedy="correct the settings named; orchestration/settings.py lists them all.",
        ) from error
