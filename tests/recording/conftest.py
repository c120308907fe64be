"""A small organisation: six people, three units, a charter folder, and its settings as a file."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestration.command import cli
from orchestration.feeds.deliveries import (
    DeliveryManifest,
    initialise,
    manifests,
    rewrite_in_force,
    save_manifest,
)
from orchestration.feeds.landing import Outcome, land_range
from orchestration.lake import Lake
from orchestration.recording import workbook
from orchestration.settings import SETTINGS_VARIABLE, FeedName, Settings, load_settings
from orchestration.warehouse.fold import fold

DAY = date(2026, 10, 31)
PEOPLE = """\
person_id,full_name,email,leader_level,left_on
p1,Ann Archer,ann@example.org,elt,
p2,Bob Baker,bob@example.org,senior,
p3,Cat Cooper,cat@example.org,manager,
p4,Dan Draper,dan@example.org,none,
p5,Cat Cooper,cat5@example.org,none,
p6,Eve Ellis,eve@example.org,manager,2026-09-01
"""
UNITS = """\
org_unit_id,name,parent_org_unit_id,sponsor_person_id
ALL,Whole,,
OPS,Operations,ALL,
SALES,"=Sales ""EMEA"" ",ALL,p2
"""


def shown_toml() -> str:
    """The configuration that the workbook's module documents."""
    text = (workbook.__doc__ or "").split(".. code-block:: toml\n", 1)[1].split("Both ways", 1)[0]
    lines = [line.removeprefix("    ") for line in text.splitlines()]
    assert tomllib.loads("\n".join(lines))
    return "\n".join(lines)


class Small:
    """Settings, folders and lake of the small organisation."""

    def __init__(self, home: Path) -> None:
        self.file = home / "settings.toml"
        self.charter = home / "overlay"
        self.charter.mkdir()
        self.file.write_text(
            f"""
[organisation]
name = "Test"
time_zone = "Europe/London"
[paths]
home = "{home}"
charter = "{self.charter}"
[landing]
settle_seconds = 0
[duckdb]
memory_limit = "1GB"
[feeds.people]
files = {{ people = "people_{{date}}.csv" }}
columns.person_id = "person_id"
columns.full_name = "full_name"
columns.email = "email"
columns.leader_level = "leader_level"
columns.left_on = "left_on"
[feeds.org_units]
files = {{ org_units = "org_units_{{date}}.csv" }}
{shown_toml()}
"""
        )
        self.settings: Settings = load_settings(self.file)
        self.lake = Lake(self.settings.lake_url, self.settings.duckdb)
        initialise(self.lake)
        self.landing = self.settings.landing_folder
        self.landing.mkdir()
        (self.landing / f"people_{DAY}.csv").write_text(PEOPLE)
        (self.landing / f"org_units_{DAY}.csv").write_text(UNITS)
        for feed in ("people", "org_units"):
            self.take(feed)
            fold(self.lake, feed)

    def land(self, feed: FeedName, day: date = DAY) -> list[Outcome]:
        return land_range(self.settings, self.lake, feed, day, day)

    def take(self, feed: FeedName, day: date = DAY) -> DeliveryManifest:
        """Land the day's deliveries of a feed and put them in force."""
        outcomes = self.land(feed, day)
        assert outcomes and all(o.status in ("landed", "duplicate") for o in outcomes), outcomes
        for manifest in manifests(self.lake, feed):
            if manifest.verdict != "staged":
                continue
            base = f"staged/{feed}/{manifest.delivery_id}"
            for file in self.lake.files(base):
                self.lake.move((file,), (f"raw/{feed}/{file.removeprefix(base + '/')}",))
            save_manifest(self.lake, manifest.model_copy(update={"verdict": "promoted"}))
        rewrite_in_force(self.lake, feed)
        return manifests(self.lake, feed)[-1]

    def rows(self, feed: FeedName, columns: str) -> list[tuple[Any, ...]]:
        """Rows of the newest delivery in force."""
        newest = manifests(self.lake, feed)[-1].delivery_id
        with self.lake.connect() as connection:
            return connection.execute(
                f"SELECT {columns} FROM read_parquet('{self.lake.path('raw', feed)}/*/*.parquet', "
                f"hive_partitioning = false) WHERE delivery_id = '{newest}' ORDER BY ALL"
            ).fetchall()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    made = Small(tmp_path)
    monkeypatch.setenv(SETTINGS_VARIABLE, str(made.file))
    yield made


Run = Callable[..., Result]


@pytest.fixture
def run(small: Small) -> Run:
    """Run a command of the project; a problem is raised as it is."""

    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(cli, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke
