"""The Open University data set as an organisation: its files laid into a landing folder, its line
run once by the command that a user gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.feeds.deliveries import DeliveryManifest, manifests
from orchestration.lake import Lake
from orchestration.periods import Period
from orchestration.runs import instance_environment
from orchestration.scorecard.model import Scorecard
from orchestration.settings import PROJECT_ROOT, FeedName, Settings, load_settings

HERE = Path(__file__).resolve().parent
DATA = PROJECT_ROOT.parent / "shared" / "data" / "oulad"
MONTH = Period.parse("2014-06")
RESULTS = date(2015, 9, 30)  # the last submission is of 15 September
REGISTRY = ("courses", "studentInfo", "studentRegistration")
EXAMINATION = ("assessments", "studentAssessment")


# Snapshots around the days on which presentations begin and end, one at the reviewed month's end
# and one when everything is known. Months between stand on the last one before, and say so. More
# of them cost time, two seconds each.
SNAPSHOTS = (
    date(2013, 5, 31),
    date(2013, 9, 30),
    date(2013, 10, 31),
    date(2014, 2, 28),
    date(2014, 5, 31),
    date(2014, 6, 30),
    RESULTS,
)


@dataclass(frozen=True)
class OpenUniversity:
    """The organisation after its review.

    Attributes:
        output: what the command printed.
        seconds: how long it took.
    """

    home: Path
    output: str
    seconds: float

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.home / "settings.toml")

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_url, self.settings.duckdb)

    def delivered(self, feed: FeedName) -> list[DeliveryManifest]:
        return manifests(self.lake, feed)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query over the warehouse that the line built."""
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    @cached_property
    def edition(self) -> Path:
        return self.home / "editions" / "monthly" / MONTH.id / "edition-1"

    @cached_property
    def scorecard(self) -> Scorecard:
        return Scorecard.model_validate_json((self.edition / "scorecard.json").read_bytes())


def lay_out(home: Path) -> Path:
    """Lay the files into the landing folder, a folder a date; returns the settings file."""
    landing = home / "landing"
    for day in SNAPSHOTS:
        folder = landing / day.isoformat()
        folder.mkdir(parents=True)
        for name in REGISTRY:
            shutil.copy(DATA / f"{name}.csv.gz", folder)
        shutil.copy(HERE / "staff.csv", folder)
    folder = landing / "results" / RESULTS.isoformat()
    folder.mkdir(parents=True)
    for name in (*REGISTRY, *EXAMINATION):
        shutil.copy(DATA / f"{name}.csv.gz", folder)
    settings = home / "settings.toml"
    own = (HERE / "organisation.toml").read_text(encoding="utf-8")
    paths = f'[paths]\nhome = "{home}"\ncharter = "{HERE / "charter"}"\n'
    settings.write_text(f"{own}\n{paths}", encoding="utf-8")
    return settings


@pytest.fixture(scope="session")
def university(tmp_path_factory: pytest.TempPathFactory) -> OpenUniversity:
    if not (DATA / "studentInfo.csv.gz").exists():
        pytest.skip(f"THE REAL DATA IS NOT TESTED: the Open University data set is not in {DATA}")
    home = tmp_path_factory.mktemp("oulad")
    settings = lay_out(home)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "run", "--period", MONTH.id],
        cwd=PROJECT_ROOT,
        env={
            **os.environ,
            **instance_environment(load_settings(settings)),
            "ADOPTION_SETTINGS": str(settings),
            "PYTHONPATH": str(PROJECT_ROOT),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return OpenUniversity(home, done.stdout, time.monotonic() - began)
