"""Which parts of the warehouse are out of date, and running dbt to bring them up to date.

The DuckDB file may be deleted at any time: what it was built from is written down inside it
(schema ``bookkeeping``), so a missing or older file shows as out of date and is rebuilt.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.feeds.contract import SNAPSHOTS
from orchestration.feeds.deliveries import in_force, manifests
from orchestration.lake import Lake, quoted
from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.quality.close import manifest_hash, stands_on_now
from orchestration.settings import Settings
from orchestration.warehouse.charter import charter_hash, charter_in_force
from orchestration.warehouse.control import write_event_days
from orchestration.warehouse.fold import bring_versions_up_to_date
from orchestration.warehouse.lock import warehouse_connection
from orchestration.warehouse.project import (
    DBT_PROJECT,
    dbt_environment,
    dbt_of_this_run,
    project_fingerprint,
    target_folder,
)
from orchestration.warehouse.published import BUILD, published_builds
from orchestration.warehouse.spark_tables import begin_build, end_build, table_folder

FOUNDATION_TAG = "foundation"
DAY_TAG = "day"
_ANEW = "--full-refresh"


@dataclass(frozen=True)
class DayInputs:
    """What the activity facts of one local day are made from, as one hash.

    Attributes:
        deliveries: number of deliveries with rows of the day in the lake, in force or not: where
            there is one, no event of the day can stand twice.
    """

    event_day: date
    inputs_hash: str
    deliveries: int = 0


def foundation_fingerprint(settings: Settings) -> str:
    """What seeds and staging are made from: code, charter, the settings that models read."""
    parts = [
        settings.warehouse.engine,
        project_fingerprint(),
        charter_hash(charter_in_force(settings).folder),
        settings.organisation.model_dump_json(),
        Lake(settings.lake_url).root,
    ]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def foundation_is_current(settings: Settings) -> bool:
    """Whether the warehouse holds the foundation as it would be built now. Needs the lock."""
    if not settings.warehouse_file.exists():
        return False
    with warehouse_connection(settings) as connection:
        _create_bookkeeping(connection)
        row = connection.execute("SELECT fingerprint FROM bookkeeping.foundation").fetchone()
    return row is not None and row[0] == foundation_fingerprint(settings)


def record_foundation(settings: Settings) -> None:
    """Write down that the foundation was built and tested. Needs the lock."""
    with warehouse_connection(settings) as connection:
        _create_bookkeeping(connection)
        connection.execute("BEGIN")
        connection.execute("DELETE FROM bookkeeping.foundation")
        connection.execute(
            "INSERT INTO bookkeeping.foundation VALUES (?)", [foundation_fingerprint(settings)]
        )
        connection.execute("COMMIT")


def pending_event_days(settings: Settings, lake: Lake) -> list[DayInputs]:
    """Days whose activity facts are missing or stand on other inputs than those in force now.

    A day's inputs: the deliveries in force that hold rows of it, which courses were mandatory on
    it, the charter's learning verbs, and the models' code. Needs the lock.
    """
    current = _current_day_inputs(settings, lake)
    built = _built_days(settings)
    changed = [each for day, each in current.items() if built.get(day) != each.inputs_hash]
    vanished = [DayInputs(day, "") for day in built if day not in current]
    return sorted([*changed, *vanished], key=lambda inputs: inputs.event_day)


def _built_days(settings: Settings) -> dict[date, str]:
    """What the facts of each day in the warehouse stand on."""
    if not settings.warehouse_file.exists():
        return {}
    with warehouse_connection(settings) as connection:
        _create_bookkeeping(connection)
        if not _has_day_facts(settings, connection):
            return {}
        return dict(
            connection.execute(
                "SELECT event_day, inputs_hash FROM bookkeeping.event_days"
            ).fetchall()
        )


def _current_day_inputs(settings: Settings, lake: Lake) -> dict[date, DayInputs]:
    standing = {row["delivery_id"]: row["content_hash"] for row in in_force(lake, "activity")}
    deliveries: dict[date, list[str]] = defaultdict(list)
    laid: Counter[date] = Counter()
    for manifest in manifests(lake, "activity"):
        if manifest.verdict != "refused":
            laid.update(manifest.event_days)
        if manifest.delivery_id in standing:
            for day in manifest.event_days:
                deliveries[day].append(f"{manifest.delivery_id}:{manifest.content_hash}")
    if not deliveries:
        return {}
    verbs = (charter_in_force(settings).folder / "learning_verbs.csv").read_bytes()
    common = hashlib.sha256(verbs + project_fingerprint().encode()).hexdigest()
    with lake.connect() as connection:
        connection.execute("CREATE TEMP TABLE days (event_day DATE, deliveries VARCHAR)")
        connection.executemany(
            "INSERT INTO days VALUES (?, ?)",
            [[day, ",".join(sorted(ids))] for day, ids in deliveries.items()],
        )
        rows = connection.execute(
            f"""
            WITH courses AS (
                SELECT
                    course_id,
                    is_mandatory,
                    valid_to,
                    CASE
                        WHEN row_number() OVER (PARTITION BY course_id ORDER BY valid_from) = 1
                            THEN DATE '0001-01-01'
                        ELSE valid_from
                    END AS applies_from
                FROM read_parquet({quoted(lake.path("versions", "courses.parquet"))})
            ),
            mandatory AS (
                SELECT d.event_day, string_agg(c.course_id, ',' ORDER BY c.course_id) AS courses
                FROM days AS d
                INNER JOIN courses AS c
                    ON c.applies_from <= d.event_day
                    AND (c.valid_to IS NULL OR c.valid_to > d.event_day)
                    AND c.is_mandatory
                GROUP BY d.event_day
            )
            SELECT
                d.event_day,
                md5(concat_ws('|', d.deliveries, coalesce(m.courses, ''), {quoted(common)}))
            FROM days AS d
            LEFT JOIN mandatory AS m ON m.event_day = d.event_day
            ORDER BY d.event_day
            """
        ).fetchall()
    return {day: DayInputs(day, found, laid[day]) for day, found in rows}


def prepare_event_days(lake: Lake, days: Sequence[DayInputs]) -> None:
    """Tell dbt which days to build; one that no delivery holds any more is built empty."""
    write_event_days(lake, {inputs.event_day: inputs.deliveries for inputs in days})


def day_flags(settings: Settings, days: Sequence[DayInputs]) -> list[str]:
    """What dbt is told where no fact that stands is kept: to lay the facts anew.

    So it is after a change of the models, whose columns may be others then. Needs the lock.
    """
    return [] if _built_days(settings).keys() - {each.event_day for each in days} else [_ANEW]


def record_event_days(settings: Settings, days: Sequence[DayInputs]) -> None:
    """Write down what the facts of these days now stand on. Needs the lock."""
    standing = [[inputs.event_day, inputs.inputs_hash] for inputs in days if inputs.inputs_hash]
    vanished = [[inputs.event_day] for inputs in days if not inputs.inputs_hash]
    with warehouse_connection(settings) as connection:
        _create_bookkeeping(connection)
        connection.execute("BEGIN")
        if vanished:
            connection.executemany(
                "DELETE FROM bookkeeping.event_days WHERE event_day = ?", vanished
            )
        if standing:
            connection.executemany(
                "INSERT OR REPLACE INTO bookkeeping.event_days VALUES (?, ?)", standing
            )
        connection.execute("COMMIT")


def _create_bookkeeping(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE SCHEMA IF NOT EXISTS bookkeeping")
    connection.execute("CREATE TABLE IF NOT EXISTS bookkeeping.foundation (fingerprint VARCHAR)")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS bookkeeping.event_days "
        "(event_day DATE PRIMARY KEY, inputs_hash VARCHAR)"
    )


def _has_day_facts(settings: Settings, connection: duckdb.DuckDBPyConnection) -> bool:
    if settings.warehouse.engine == "spark":
        return table_folder(settings, "fct_course_day").is_dir()
    row = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'fct_course_day'"
    ).fetchone()
    return bool(row and row[0])


def bring_base_up_to_date(settings: Settings, lake: Lake) -> list[str]:
    """Fold, build foundation and day facts where they are out of date; returns the tags built.

    A ritual calls this first, so that a deleted warehouse, or an ingest that died between
    publication and facts, never gives figures on missing facts. Needs the lock.

    Raises:
        Problem: dbt failed; carries the end of what it printed. Or a feed is held by another
            process for too long.
    """
    for feed in SNAPSHOTS:
        if feed in settings.feeds:
            bring_versions_up_to_date(settings, lake, feed)
    built = [FOUNDATION_TAG] if bring_foundation_up_to_date(settings) else []
    days = pending_event_days(settings, lake)
    if days:
        prepare_event_days(lake, days)
        _run_dbt(settings, DAY_TAG, *day_flags(settings, days))
        record_event_days(settings, days)
        built.append(DAY_TAG)
    return built


def bring_foundation_up_to_date(settings: Settings) -> bool:
    """Build seeds and staging where charter, code or settings changed; whether it had to.

    Raises:
        Problem: dbt failed; carries the end of what it printed.
    """
    if foundation_is_current(settings):
        return False
    _run_dbt(settings, FOUNDATION_TAG)
    record_foundation(settings)
    return True


def build_arguments(tag: str) -> list[str]:
    """The dbt command that builds and tests one group of models."""
    return ["build", "--select", f"tag:{tag}", "--exclude-resource-type", "unit_test"]


def _run_dbt(settings: Settings, tag: str, *flags: str) -> None:
    begin_build(settings)
    done = subprocess.run(  # noqa: S603 (our own dbt, no shell)
        [
            *dbt_of_this_run(),
            "--quiet",
            *build_arguments(tag),
            *flags,
            "--project-dir",
            str(DBT_PROJECT),
        ],
        env={**os.environ, **dbt_environment(settings)},
        cwd=DBT_PROJECT,
        capture_output=True,
        text=True,
    )
    end_build(settings, done.returncode)
    if done.returncode != 0:
        raise Problem(
            f"dbt could not build the {tag} models: {(done.stdout + done.stderr).strip()[-3000:]}",
            remedy="mend what it names and materialize again; nothing was published.",
        )


def raw_state_hash(lake: Lake) -> str:
    """One hash over every delivery in force of every feed: what raw data figures stand on."""
    return manifest_hash(stands_on_now(lake))


@dataclass(frozen=True)
class Basis:
    """What the models of a grain in the warehouse were built from."""

    periods: tuple[str, ...]
    raw_state_hash: str
    foundation_fingerprint: str

    @classmethod
    def now(cls, settings: Settings, lake: Lake, periods: Sequence[Period]) -> Basis:
        """What a build of these periods would stand on now."""
        return cls(
            tuple(period.id for period in periods),
            raw_state_hash(lake),
            foundation_fingerprint(settings),
        )


class BuildRecord:
    """Which models of a grain stand in the warehouse built and tested, and on what.

    Publication asks it, so that figures of a failed or partial build never leave the warehouse,
    whichever way the assets are materialized. Dagster may split the models of one asset backfill
    over several runs; models of the same periods, raw data, charter and code add up to one build,
    since each gives the same rows whenever it is built from these.
    """

    def __init__(self, settings: Settings, grain: Grain) -> None:
        self._file: Path = settings.warehouse_file.parent / f"build__{grain}.json"
        self._grain = grain

    def begin(self, basis: Basis, models: Collection[str]) -> None:
        """Note that these models are being built; until ``passed`` they may not be published."""
        kept = self._models() - set(models) if self._basis() == basis else set()
        self._write({**asdict(basis), "models": sorted(kept)})

    def passed(self, models: Collection[str]) -> None:
        """Note that these models, and every test of them, succeeded."""
        self._write({**self._read(), "models": sorted(self._models() | set(models))})

    def require_passed(
        self, periods: Sequence[Period], now: Basis, models: Collection[str]
    ) -> dict[str, str]:
        """What the build stands on.

        Args:
            now: what it would stand on if it were made now.
            models: every model that has to be built and tested.

        Raises:
            Problem: the last build failed, was partial, was of other periods or of other data.
        """
        basis = self._basis()
        unbuilt = [p.id for p in periods if basis is None or p.id not in basis.periods]
        untested = sorted(set(models) - self._models())
        what = ""
        if basis is None or unbuilt:
            what = f"{', '.join(unbuilt)} not built"
        elif untested:
            what = f"the last build did not pass whole; {', '.join(untested[:3])} missing"
        elif replace(basis, periods=()) != replace(now, periods=()):
            what = "raw data, charter or code changed since they were built"
        if basis is None or what:
            raise Problem(
                f"the {self._grain} models in the warehouse cannot be published: {what}.",
                remedy=f"materialize all {self._grain} models of these periods first.",
            )
        return {
            "raw_state_hash": basis.raw_state_hash,
            "foundation_fingerprint": basis.foundation_fingerprint,
        }

    def _basis(self) -> Basis | None:
        record = self._read()
        try:
            return Basis(
                tuple(record["periods"]),
                str(record["raw_state_hash"]),
                str(record["foundation_fingerprint"]),
            )
        except KeyError:
            return None

    def _models(self) -> set[str]:
        return set(self._read().get("models", []))

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self._file.read_text()))
        except (OSError, ValueError):
            return {}

    def _write(self, record: dict[str, Any]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        aside = self._file.with_suffix(".tmp")
        aside.write_text(json.dumps(record, indent=1))
        aside.replace(self._file)


def log_folder(settings: Settings, tag: str) -> Path:
    """Where dbt's artifacts of one group's last build lie."""
    return target_folder(settings) / "builds" / tag


def figures_are_current(settings: Settings, lake: Lake, period: Period) -> bool:
    """Whether a period's published figures stand on the raw data, charter and code of now."""
    build_id = published_builds(lake, period.grain).get(period.id)
    if build_id is None:
        return False
    basis = lake.read_json("published", period.grain, period.id, build_id, BUILD)
    return bool(
        basis["raw_state_hash"] == raw_state_hash(lake)
        and basis["foundation_fingerprint"] == foundation_fingerprint(settings)
    )
