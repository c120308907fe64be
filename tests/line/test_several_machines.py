"""The lake in object storage: what is landed, judged, put in force, folded, closed, noted as late
and published there is what a lake on a disk holds."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import s3fs

from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.quality.close import close_period
from orchestration.quality.expectations import judge_all
from orchestration.warehouse.late import late_feeds, note_arrivals
from orchestration.warehouse.published import initialise_published, publish
from tests.feeds.conftest import event, header, person
from tests.object_storage import bucket
from tests.trust.landing_worker import ingest, settings_of
from tests.warehouse.small_lake import PSEUDONYMS

OCTOBER = Period.parse("2026-10")
NOW = datetime(2026, 11, 3, 9, tzinfo=UTC)
MODELS = ("kpi_values__month", "kpi_signals__month", "fct_activity__month")
MOMENTS = ("landed_at", "closed_at")
"""When something was done, in what is otherwise the same."""


@pytest.fixture(scope="module", name="bucket")
def running_bucket() -> Iterator[str]:
    with bucket() as url:
        yield url


def test_what_another_process_writes_is_seen_at_once(bucket: str) -> None:
    lake = Lake(f"{bucket}/seen")
    lake.write_json({}, "in_force", "one.json")
    assert lake.files("in_force") == ["in_force/one.json"]
    elsewhere = s3fs.S3FileSystem(skip_instance_cache=True)
    elsewhere.pipe(f"{bucket}/seen/in_force/two.json", b"{}")
    assert lake.files("in_force") == ["in_force/one.json", "in_force/two.json"]
    elsewhere.rm(f"{bucket}/seen/in_force/one.json")
    assert not lake.exists("in_force", "one.json")


def deliver(landing: Path, day: int, people: int, *events: str) -> None:
    landing.mkdir(parents=True, exist_ok=True)
    rows = header("people") + "".join(person(f"p{n}") for n in range(people)) + person("p1")
    (landing / f"people_2026-10-{day:02d}.csv").write_text(rows)
    packed = gzip.compress((header("activity") + "".join(events)).encode(), mtime=0)
    (landing / f"activity_2026-10-{day:02d}.csv.gz").write_bytes(packed)


def line(home: Path, lake_url: str | None) -> dict[str, Any]:
    """Two days landed, a month closed, a third day that brings a late row, and tables published:
    what the lake then holds."""
    settings = settings_of(home, lake_url)
    lake = Lake(settings.lake_url, settings.duckdb)
    initialise(lake)
    initialise_published(lake)
    for day in (1, 2):
        at = f"2026-10-0{day}T09:00:00Z"
        seen = [event(f"e{day}-{n}", f"p{n}", occurred_at=at) for n in range(41)]
        deliver(home / "landing", day, 40, *seen)  # of one event nobody knows the person
    ingest(settings, judge=judge_all)
    note_arrivals(settings, lake)
    close = close_period(settings, lake, OCTOBER, "c" * 64, NOW)
    known = {feed: found.arrival for feed, found in close.feeds.items()}
    assert late_feeds(lake, OCTOBER, known) == set()
    late = event("e-late", "p3", occurred_at="2026-10-02T10:00:00Z")
    deliver(home / "landing", 3, 39, late)
    ingest(settings, judge=judge_all)
    note_arrivals(settings, lake)
    assert "activity" in late_feeds(lake, OCTOBER, known)
    with duckdb.connect() as warehouse:
        for number, model in enumerate(MODELS):
            warehouse.execute(
                f"CREATE TABLE {model} AS SELECT DATE '2026-10-01' AS period_start, "
                f"i AS value FROM range({10 + number}) AS t(i)"
            )
        publish(lake, warehouse, Grain.MONTH, [(OCTOBER, "build")], MODELS, PSEUDONYMS)
    return contents(lake)


def contents(lake: Lake) -> dict[str, Any]:
    """Every file of a lake; Parquet by its rows, JSON without the moments."""
    found: dict[str, Any] = {}
    with lake.connect() as connection:
        for file in lake.files():
            if file.endswith(".parquet"):
                found[file] = connection.execute(
                    "SELECT * FROM read_parquet($1, hive_partitioning = false) ORDER BY ALL",
                    [lake.path(file)],
                ).fetchall()
            else:
                read = lake.read_json(file)
                found[file] = {name: read[name] for name in read if name not in MOMENTS}
    return found


def test_landing_judging_folding_and_noting_there_are_those_on_a_disk(
    bucket: str, tmp_path: Path
) -> None:
    there = line(tmp_path / "there", f"{bucket}/landed")
    here = line(tmp_path / "here", None)
    assert sorted(there) == sorted(here)
    assert [name for name in here if there[name] != here[name]] == []
    held = {name.split("/")[0] for name in here}
    assert held >= {"raw", "raw_rejected", "in_force", "versions", "deliveries", "closes", "late"}
    assert {m["verdict"] for name, m in here.items() if "deliveries/" in name} == {"promoted"}
    rows = {place: sum(len(here[name]) for name in here if name.startswith(f"{place}/activity"))
            for place in ("raw", "raw_rejected")}  # fmt: skip
    assert rows == {"raw": 2 * 40 + 1, "raw_rejected": 2}
