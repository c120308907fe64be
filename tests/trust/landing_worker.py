"""A process that lands and publishes what has arrived, as the ingest does; killed by tests."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from orchestration.feeds.awaiting import awaiting_dates
from orchestration.feeds.deliveries import DeliveryManifest, manifests
from orchestration.feeds.landing import feed_lock, land_range
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.quality.expectations import Judgement
from orchestration.quality.publish import Judge, publish
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.fold import bring_versions_up_to_date

LANDED: tuple[FeedName, ...] = ("people", "activity")


def settings_of(home: Path, lake: Path | str | None = None, lock_seconds: float = 600) -> Settings:
    return Settings.model_validate(
        {
            "organisation": {"name": "Killed"},
            "paths": {"home": str(home), **({"lake": str(lake)} if lake else {})},
            "landing": {"settle_seconds": 0},
            "duckdb": {"memory_limit": "1GB", "lock_timeout_seconds": lock_seconds},
            "feeds": {
                "people": {"files": {"people": "people_{date}.csv"}},
                "activity": {"files": {"activity": "activity_{date}.csv.gz"}},
            },
        }
    )


def passed(_: FeedName, judged: Sequence[DeliveryManifest]) -> list[Judgement]:
    """Every staged delivery passes: what is tested here is not the expectations."""
    return [Judgement(m.delivery_id, failed=[], warned=[]) for m in judged]


def ingest(settings: Settings, judge: Judge = passed) -> None:
    """Land the dates that await it, publish them, and fold the snapshots: as runs do."""
    lake = Lake(settings.lake_url, settings.duckdb)
    dates = awaiting_dates(settings, lake)
    if dates:
        for feed in LANDED:  # people are in force before it is asked whether a person is known
            land_range(settings, lake, feed, min(dates), max(dates))
            with feed_lock(settings, feed):
                found = manifests(lake, feed, min(dates), max(dates))
                publish(lake, feed, found, judge=judge)
    bring_versions_up_to_date(settings, lake, "people")


if __name__ == "__main__":
    print("begun", flush=True)  # the imports are done
    try:
        ingest(settings_of(Path(sys.argv[1]), lock_seconds=float(sys.argv[2])))
    except Problem as problem:
        print(problem)
        sys.exit(1)
