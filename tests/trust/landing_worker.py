"""A process that lands and publishes what has arrived, as the ingest does; killed by tests."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from orchestration.feeds.deliveries import DeliveryManifest, manifests
from orchestration.feeds.landing import feed_lock, land_range
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.quality.expectations import Judgement
from orchestration.quality.publish import publish
from orchestration.settings import FeedName, Settings

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
LANDED: tuple[FeedName, ...] = ("people", "activity")


def settings_of(home: Path, lake: Path | None = None, lock_seconds: float = 600) -> Settings:
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


def ingest(settings: Settings) -> None:
    """Land every feed and publish it."""
    lake = Lake(settings.lake_url, settings.duckdb)
    for feed in LANDED:
        land_range(settings, lake, feed, FIRST, LAST)
        with feed_lock(settings, feed):
            publish(lake, feed, manifests(lake, feed), judge=passed)


def passed(_: FeedName, judged: Sequence[DeliveryManifest]) -> list[Judgement]:
    """Every staged delivery passes: what is tested here is not the expectations."""
    return [Judgement(m.delivery_id, failed=[], warned=[]) for m in judged]


if __name__ == "__main__":
    print("begun", flush=True)  # the imports are done
    try:
        ingest(settings_of(Path(sys.argv[1]), lock_seconds=float(sys.argv[2])))
    except Problem as problem:
        print(problem)
        sys.exit(1)
