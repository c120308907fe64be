"""A small sample organisation in a home of its own, and the ways to run the line over it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from orchestration.cadences import (
    INGEST_JOB,
    RANGE_END_TAG,
    RANGE_START_TAG,
    close_job_name,
    publish_job_name,
)
from orchestration.definitions import build_definitions
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, partition_key
from orchestration.pseudonyms import KEY, MARTS, Pseudonyms
from orchestration.runs import instance_environment
from orchestration.sample import SampleParameters
from orchestration.settings import (
    PROJECT_ROOT,
    SAMPLE_SETTINGS,
    Secrets,
    Settings,
    load_settings,
)
from orchestration.state import State
from orchestration.warehouse.published import published_builds

LAST = Period.parse("2026-04")
SAMPLE = SampleParameters(people=120, months=14, seed=11, last_month=LAST)
PYTHON = sys.executable


CANARY = "canary-5f1c"
PLANTED = {
    f"ADOPTION_{name.upper()}": f"{CANARY}-{name.replace('_', '-')}"
    for name in Secrets.model_fields
} | {
    "ADOPTION_ALERT_WEBHOOK": f"json://127.0.0.1:9/{CANARY}-alert-webhook",
    "ADOPTION_HEARTBEAT_URL": f"http://127.0.0.1:9/{CANARY}-heartbeat-url",
}
"""A value for every secret that the system knows; at the two addresses nobody answers."""


def write_settings(
    home: Path, name: str = "settings.toml", *, on_stale: str = "mark", settle: int = 0
) -> Path:
    """The sample's settings, with everything in another home and history from the sample's."""
    text = SAMPLE_SETTINGS.read_text(encoding="utf-8")
    for old, new in (
        ('home = "var"', f'home = "{home}"'),
        ('charter = "var/sample/charter"', f'charter = "{home / "sample" / "charter"}"'),
        # the first snapshots are of the day before the first month
        ("history_from = 2023-07-01", f"history_from = {SAMPLE.first_day - timedelta(days=1)}"),
        ("[landing]", f'[review]\non_stale = "{on_stale}"\n\n[landing]'),
        ("settle_seconds = 0", f"settle_seconds = {settle}"),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = home / name
    file.write_text(text, encoding="utf-8")
    return file


@dataclass(frozen=True)
class Organisation:
    """A home folder with an organisation in it, and the ways to run its line."""

    home: Path
    settings_name: str = "settings.toml"

    @property
    def settings_file(self) -> Path:
        return self.home / self.settings_name

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.settings_file)

    @cached_property
    def definitions(self) -> Definitions:
        return build_definitions(self.settings)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_url, self.settings.duckdb)

    @cached_property
    def pseudonyms(self) -> Pseudonyms:
        """What stands for persons in its published facts."""
        with State.open(self.settings) as state:
            return Pseudonyms(state.key(KEY), MARTS)

    @property
    def landing(self) -> Path:
        return self.settings.landing_folder

    @property
    def truth(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.home / "sample" / "truth.json").read_text())
        return loaded

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **instance_environment(self.settings),
            "ADOPTION_SETTINGS": str(self.settings_file),
            "PYTHONPATH": str(PROJECT_ROOT),
        }

    def mails(self, mailing: str = "") -> dict[str, bytes]:
        """The outbox: every mail, or one mailing's (``monthly``, ``monthly-kit``)."""
        files = (self.home / "outbox").glob(f"{mailing}-2*.eml" if mailing else "*.eml")
        return {file.name: file.read_bytes() for file in sorted(files)}

    def command(
        self, *arguments: str, timeout: float = 600, secrets: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user does, in its own process."""
        return subprocess.run(
            [PYTHON, "-m", "orchestration", *arguments],
            cwd=PROJECT_ROOT,
            env={**self.environment, **(secrets or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def published(self, grain: Grain = Grain.MONTH) -> dict[str, tuple[tuple[str, str], ...]]:
        """Every published row of every model in force, without its build's name."""
        found: dict[str, tuple[tuple[str, str], ...]] = {}
        lake = self.lake
        with lake.connect() as connection:
            for period_id, build in published_builds(lake, grain).items():
                folder = Path(lake.path("published", grain, period_id, build))
                found[period_id] = tuple(
                    (
                        file.stem,
                        str(
                            connection.execute(
                                "SELECT * EXCLUDE (build_id) FROM read_parquet($1) ORDER BY ALL",
                                [str(file)],
                            ).fetchall()
                        ),
                    )
                    for file in sorted(folder.glob("*.parquet"))
                )
        return found

    def materialize(
        self,
        job: str,
        keys: Sequence[str],
        first: str,
        last: str | None = None,
        *,
        instance: DagsterInstance | None = None,
        run_config: dict[str, Any] | None = None,
    ) -> ExecuteInProcessResult:
        """Materialize some assets of a job, and nothing else, over a range of partitions."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=instance or DagsterInstance.ephemeral(),
            tags={RANGE_START_TAG: first, RANGE_END_TAG: last or first},
            asset_selection=[AssetKey(key.split("/")) for key in keys] if keys else None,
            run_config=run_config,
            raise_on_error=False,
        )

    def ingest(self, first: date, last: date | None = None, **more: Any) -> ExecuteInProcessResult:
        """Land, check and fold some delivery dates; the models apart."""
        layer = self.definitions.resolve_job_def(INGEST_JOB).asset_layer
        keys = [
            key.to_user_string()
            for key in layer.selected_asset_keys
            if key.path[0] in ("feeds", "quality") or key.path[-1].startswith("versions_")
        ]
        return self.materialize(
            INGEST_JOB, keys, first.isoformat(), (last or first).isoformat(), **more
        )

    def month(
        self, *keys: str, first: Period = LAST, last: Period | None = None, **more: Any
    ) -> ExecuteInProcessResult:
        """Materialize some assets of the monthly review, alone."""
        job = (
            publish_job_name(Grain.MONTH)
            if keys and all(key.startswith("delivery/") for key in keys)
            else close_job_name(Grain.MONTH)
        )
        return self.materialize(
            job, keys, partition_key(first), partition_key(last or first), **more
        )

    def models(self, grain: Grain = Grain.MONTH) -> list[str]:
        """The keys of the dbt models of a grain."""
        layer = self.definitions.resolve_job_def(close_job_name(grain)).asset_layer
        return [
            key.to_user_string()
            for key in layer.selected_asset_keys
            if key.path[0] == "warehouse" and key.path[-1].endswith(f"__{grain}")
        ]

    def rejected(self, feed: str) -> list[tuple[str, str, int | None, str, str]]:
        """Quarantined rows: delivery, file, row number, reason, the row."""
        files = self.lake.files("raw_rejected", feed, suffix=".parquet")
        if not files:
            return []
        with self.lake.connect() as connection:
            return connection.execute(
                "SELECT delivery_id, source_file, row_number, reason, row_json "
                "FROM read_parquet($1, hive_partitioning = false) ORDER BY ALL",
                [[self.lake.path(file) for file in files]],
            ).fetchall()


def failures(result: ExecuteInProcessResult) -> str:
    """The causes of all failed steps, as one text."""
    texts = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None:
                texts.append(error.message)
                error = error.cause
    return "\n".join(texts)


def read_csv(file: Path) -> list[dict[str, str]]:
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))


def write_csv(file: Path, rows: Sequence[dict[str, str]], header: Sequence[str] = ()) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(header or rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    content = text.getvalue().encode("utf-8")
    file.write_bytes(gzip.compress(content, mtime=0) if file.suffix == ".gz" else content)


def deliver_month(landing: Path, month: Period, without: Sequence[str] = ()) -> None:
    """The files of a later month: the last one's again, with events of that month.

    Args:
        without: feeds that do not come.
    """
    for file in sorted(landing.glob("*.csv*")):
        feed, _, day = file.name.partition(".")[0].rpartition("_")
        if feed in (*without, "decision_log"):
            continue
        if day == str(LAST.end):  # the state at its end
            later = file.name.replace(day, str(month.end))
            (landing / later).write_bytes(file.read_bytes())
        elif day == str(LAST.shift(1).start):  # what happened in it
            rows = read_csv(file)
            key = next(iter(rows[0]))
            for row in rows:
                row.update(
                    {n: cell.replace(f"{LAST.id}-", f"{month.id}-") for n, cell in row.items()}
                )
                row[key] = f"{month.id}-{row[key]}"
            write_csv(landing / file.name.replace(day, str(month.shift(1).start)), rows)


@dataclass(frozen=True)
class FirstRun:
    """The organisation after its first review, and what the command said."""

    organisation: Organisation
    output: str
    errors: str


# What a test may change and what is put back after it. The path stays the same, so that neither
# dbt's parse nor the foundation of the warehouse is out of date in the next test.
_KEPT = ("dagster", "dbt", "logs")


def restore(home: Path) -> None:
    """Put everything back as it was after the first run, Dagster's history apart."""
    assert _pristine(home).is_dir()
    for place in home.iterdir():
        if place.name in _KEPT:
            continue
        if place.is_dir():
            for folder, _, _ in os.walk(place):  # sealed editions are read-only
                os.chmod(folder, 0o755)
            shutil.rmtree(place)
        else:
            place.unlink()
    shutil.copytree(_pristine(home), home, dirs_exist_ok=True)


def preserve(home: Path) -> None:
    """Keep a copy of the home aside, for ``restore``."""
    shutil.copytree(
        home,
        _pristine(home),
        ignore=lambda folder, found: [n for n in found if Path(folder) == home and n in _KEPT],
    )


def _pristine(home: Path) -> Path:
    return home.with_name("pristine")
