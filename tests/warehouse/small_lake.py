"""A lake of hand-made rows and the dbt build over it, for tests of the models."""

from __future__ import annotations

import atexit
import csv
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveryManifest,
    initialise,
    rewrite_in_force,
    save_manifest,
)
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.pseudonyms import MARTS, Pseudonyms
from orchestration.settings import (
    PROJECT_ROOT,
    FeedName,
    OrganisationSettings,
    PathSettings,
    Settings,
    WarehouseSettings,
)
from orchestration.warehouse.control import initialise_control, write_event_days, write_periods
from orchestration.warehouse.lock import warehouse_connection
from orchestration.warehouse.project import DBT_PROJECT, dbt_environment
from orchestration.warehouse.published import initialise_published
from orchestration.warehouse.spark_tables import show_tables
from tests.warehouse.dbt_forks import run_dbt

Row = Mapping[str, Any]
PSEUDONYMS = Pseudonyms(bytes(range(32)), MARTS)
Engine = Literal["duckdb", "spark"]
_DBT_WITH_SPARK = PROJECT_ROOT / ".venv-spark" / "bin" / "dbt"


@cache
def _shared() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="small-lakes-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class SmallLake:
    """A lake in a folder, filled with rows of the contract's tables given as dictionaries."""

    def __init__(self, home: Path, time_zone: str = "Europe/London") -> None:
        self.settings = Settings(
            organisation=OrganisationSettings(name="Small", time_zone=time_zone),
            paths=PathSettings(home=home),
        )
        self.lake = Lake(self.settings.lake_url)
        initialise(self.lake)
        initialise_published(self.lake)
        initialise_control(self.lake, self.settings)
        self.charter = home / "charter"
        self.charter.mkdir(parents=True)
        for seed in (DBT_PROJECT / "seeds").glob("*.csv"):
            shutil.copy(seed, self.charter)

    def seed(self, name: str, rows: Sequence[Row]) -> None:
        """Replace one seed of the charter."""
        file = self.charter / f"{name}.csv"
        header = next(csv.reader(file.read_text().splitlines()))
        with file.open("w", newline="") as handle:
            writer = csv.DictWriter(handle, header, restval="")
            writer.writeheader()
            writer.writerows(rows)

    def versions(self, feed: FeedName, rows: Iterable[Row]) -> None:
        """Put the versions of a snapshot feed (``valid_from`` defaults to 2026-01-01)."""
        columns = {c.name: c.sql_type for c in CONTRACT[feed].columns}
        columns |= {"valid_from": "DATE", "valid_to": "DATE"}
        filled = [{"valid_from": "2026-01-01", **row} for row in rows]
        self._write(columns, filled, "versions", f"{feed}.parquet")
        self._deliver(feed, date(2026, 1, 1), 1, len(filled))

    def events(self, feed: FeedName, day: str, rows: Iterable[Row], sequence: int = 1) -> None:
        """Put one delivery of an events feed in force; ``day`` is the event day of activity."""
        columns = {c.name: c.sql_type for c in CONTRACT[feed].columns} | {"delivery_id": "VARCHAR"}
        part = "event_day" if feed == "activity" else "delivery_date"
        delivery_id = f"{day}.{sequence:03d}"
        filled = [{**row, "delivery_id": delivery_id} for row in rows]
        self._write(columns, filled, "raw", feed, f"{part}={day}", f"{delivery_id}.parquet")
        self._deliver(feed, date.fromisoformat(day), sequence, len(filled))

    def build(
        self,
        *periods: Period,
        days: Sequence[date] = (),
        command: Sequence[str] = ("build", "--exclude-resource-type", "unit_test"),
    ) -> None:
        """Run dbt over these periods; fails the test with what dbt printed."""
        for grain in Grain:
            write_periods(self.lake, grain, [p for p in periods if p.grain is grain])
        write_event_days(self.lake, dict.fromkeys(days, 2))
        self.settings.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
        arguments = ["--quiet", *command, "--project-dir", str(DBT_PROJECT)]
        if self.settings.warehouse.engine == "spark":
            done = subprocess.run(
                [str(_DBT_WITH_SPARK), *arguments],
                env=os.environ | dbt_environment(self.settings),
                cwd=DBT_PROJECT,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            environment = os.environ | dbt_environment(self._at_the_shared_place())
            environment["DBT_TARGET_PATH"] = str(_shared() / "target")
            failure = run_dbt(arguments, environment, str(DBT_PROJECT))
            assert failure is None, failure

    def on(self, engine: Engine) -> SmallLake:
        """The same lake, whose models another engine builds."""
        other = copy(self)
        other.settings = self.settings.model_copy(
            update={"warehouse": WarehouseSettings(engine=engine)}
        )
        return other

    def copied_to(self, url: str, home: Path) -> SmallLake:
        """A copy of the lake at an fsspec URL, whose models are built in a home of its own."""
        other = copy(self)
        other.settings = self.settings.model_copy(
            update={"paths": PathSettings(home=home, lake=url)}
        )
        other.lake = Lake(url)
        for file in self.lake.files():
            other.lake.write_bytes(self.lake.read_bytes(file), file)
        other.charter = home / "charter"
        shutil.copytree(self.charter, other.charter)
        return other

    def _at_the_shared_place(self) -> Settings:
        """The settings with this home under the one path that every small lake of the process
        has for dbt, which would parse the whole project again for another path."""
        place = _shared() / "home"
        place.unlink(missing_ok=True)
        place.symlink_to(self.settings.home)
        paths = self.settings.paths.model_copy(update={"home": place})
        return self.settings.model_copy(update={"paths": paths})

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query over the built warehouse."""
        self._at_the_shared_place()  # staging views read the lake
        with warehouse_connection(self.settings) as connection:
            show_tables(self.settings, connection)
            return connection.execute(sql).fetchall()

    def _write(self, columns: Mapping[str, str], rows: Sequence[Row], *place: str) -> None:
        unknown = {name for row in rows for name in row} - set(columns)
        assert not unknown, unknown
        with self.lake.connect() as connection:
            typed = ", ".join(f"{name} {sql_type}" for name, sql_type in columns.items())
            connection.execute(f"CREATE TABLE given ({typed})")
            if rows:
                connection.executemany(
                    f"INSERT INTO given VALUES ({', '.join('?' * len(columns))})",
                    [[row.get(name) for name in columns] for row in rows],
                )
            self.lake.write_parquet(connection, "SELECT * FROM given", *place)

    def _deliver(self, feed: FeedName, day: date, sequence: int, rows: int) -> None:
        save_manifest(
            self.lake,
            DeliveryManifest(
                feed=feed,
                delivery_id=f"{day}.{sequence:03d}",
                delivery_date=day,
                sequence=sequence,
                files=[],
                content_hash=f"{feed}-{day}-{sequence}-{rows}",
                rows_in=rows,
                rows_accepted=rows,
                newest_on=day,
                verdict="promoted",
                landed_at="2026-01-01T00:00:00Z",
            ),
        )
        rewrite_in_force(self.lake, feed)
