"""A small organisation in a temporary folder: deliver files, land them, read what landed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveryManifest,
    initialise,
    raw_partition,
    rewrite_in_force,
    save_manifest,
)
from orchestration.feeds.landing import Outcome, land_range
from orchestration.lake import Lake
from orchestration.settings import FeedName, Settings

DAY = date(2026, 10, 31)


class Organisation:
    """Settings, landing folder and lake of one test."""

    def __init__(self, home: Path, feeds: dict[str, dict[str, Any]], **other: Any) -> None:
        self.settings = Settings.model_validate(
            {
                "organisation": {"name": "Test", **other.pop("organisation", {})},
                "paths": {"home": str(home), **other.pop("paths", {})},
                "landing": {"settle_seconds": 0, **other.pop("landing", {})},
                "duckdb": {"memory_limit": "1GB", **other.pop("duckdb", {})},
                "feeds": {
                    name: {"files": {name: f"{name}_{{date}}.csv"}, **declaration}
                    for name, declaration in feeds.items()
                },
                **other,
            }
        )
        self.landing = self.settings.landing_folder
        self.landing.mkdir(parents=True, exist_ok=True)
        self.lake = Lake(self.settings.lake_url, self.settings.duckdb)

    def deliver(self, name: str, content: str | bytes) -> Path:
        """Write one file under the landing folder."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def land(self, feed: FeedName, first: date = DAY, last: date | None = None) -> list[Outcome]:
        """Land a range of days (one day unless told)."""
        return land_range(self.settings, self.lake, feed, first, last or first)

    def one(self, feed: FeedName, day: date = DAY) -> DeliveryManifest:
        """Land a day that has one delivery, and give its manifest."""
        (outcome,) = self.land(feed, day)
        assert outcome.manifest is not None, outcome.note
        return outcome.manifest

    def publish(self, feed: FeedName) -> None:
        """What the quality stage does with a good delivery, without judging it."""
        from orchestration.feeds.deliveries import manifests

        for manifest in manifests(self.lake, feed):
            if manifest.verdict != "staged":
                continue
            base = f"staged/{feed}/{manifest.delivery_id}"
            for file in self.lake.files(base):
                self.lake.move((file,), (f"raw/{feed}/{file.removeprefix(base + '/')}",))
            save_manifest(self.lake, manifest.model_copy(update={"verdict": "promoted"}))
        rewrite_in_force(self.lake, feed)

    def people(self, *person_ids: str, day: date = date(2026, 10, 1)) -> None:
        """Have these people in force."""
        rows = "".join(f"{person}\n" for person in person_ids)
        columns = {"person_id": "person_id"}
        feeds = {"people": {"columns": columns, "files": {"people": "hr_{date}.csv"}}}
        staff = Organisation(self.settings.home, feeds)
        staff.deliver(f"hr_{day}.csv", f"person_id\n{rows}")
        staff.one("people", day)
        staff.publish("people")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.lake.connect() as connection:
            return connection.execute(sql).fetchall()

    def staged(self, manifest: DeliveryManifest, columns: str = "*") -> list[tuple[Any, ...]]:
        """The accepted rows of a staged delivery, in file order."""
        pattern = self.lake.path("staged", manifest.feed, manifest.delivery_id, "*", "*.parquet")
        return self.query(
            f"SELECT {columns} FROM read_parquet('{pattern}', hive_partitioning = false)"
        )

    def rejected(self, manifest: DeliveryManifest, columns: str) -> list[tuple[Any, ...]]:
        """The quarantined rows of a delivery."""
        file = self.lake.path(
            "raw_rejected",
            manifest.feed,
            f"delivery_date={manifest.delivery_date}",
            f"{manifest.delivery_id}.parquet",
        )
        return self.query(f"SELECT {columns} FROM read_parquet('{file}') ORDER BY row_number")


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with its empty files, made once: each test starts from a copy."""
    folder = tmp_path_factory.mktemp("empty") / "lake"
    initialise(Lake(str(folder)))
    return folder


@pytest.fixture
def organisation(tmp_path: Path, empty_lake: Path) -> Callable[..., Organisation]:
    """Make an organisation that declares the feeds given."""

    def make(feeds: dict[str, dict[str, Any]] | str, **other: Any) -> Organisation:
        declared = {feeds: {}} if isinstance(feeds, str) else feeds
        shutil.copytree(empty_lake, tmp_path / "lake", dirs_exist_ok=True)
        return Organisation(tmp_path, declared, **other)

    return make


def header(feed: FeedName) -> str:
    """The contract's own header line."""
    return ",".join(CONTRACT[feed].column_names) + "\n"


def row(feed: FeedName, **values: object) -> str:
    """One CSV line of a feed; columns not named are empty."""
    unknown = set(values) - set(CONTRACT[feed].column_names)
    assert not unknown, unknown
    return ",".join(str(values.get(c, "")) for c in CONTRACT[feed].column_names) + "\n"


def person(person_id: str, **values: object) -> str:
    return row("people", person_id=person_id, **values)


def event(event_id: str, person_id: str = "p1", **values: object) -> str:
    return row(
        "activity",
        **{
            "event_id": event_id,
            "person_id": person_id,
            "verb": "http://adlnet.gov/expapi/verbs/experienced",
            "occurred_at": "2026-10-31T12:00:00Z",
            **values,
        },
    )


def backdate(path: Path, seconds: float) -> None:
    """Let a file look as if it had been written that long ago."""
    import time

    moment = time.time() - seconds
    os.utime(path, (moment, moment))


def partition_of(feed: FeedName, day: date) -> str:
    return raw_partition(CONTRACT[feed], day.isoformat())
