"""Folding: hand-computed cases, and equality with a day-by-day reference in any order."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.feeds.deliveries import (
    DeliveryManifest,
    delivery_id,
    initialise,
    rewrite_in_force,
    save_manifest,
)
from orchestration.lake import Lake
from orchestration.settings import Settings
from orchestration.warehouse import build
from orchestration.warehouse.fold import fold

Snapshot = Mapping[str, str | None]  # org unit to its name


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    initialise(lake)
    return lake


def deliver(lake: Lake, day: date, units: Snapshot, sequence: int = 1, commit: bool = True) -> None:
    """Put one snapshot of ``org_units`` in force, as publication would."""
    name = delivery_id(day, sequence)
    table = pa.table(
        {
            "org_unit_id": pa.array(list(units), pa.string()),
            "name": pa.array(list(units.values()), pa.string()),
            "parent_org_unit_id": pa.array([None] * len(units), pa.string()),
            "sponsor_person_id": pa.array([None] * len(units), pa.string()),
            "delivery_id": pa.array([name] * len(units), pa.string()),
        }
    )
    folder = Path(lake.path("raw", "org_units", f"delivery_date={day}"))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"{name}.parquet")
    save_manifest(
        lake,
        DeliveryManifest(
            feed="org_units",
            delivery_id=name,
            delivery_date=day,
            sequence=sequence,
            files=[],
            content_hash=f"{name}{sorted(units.items(), key=str)}"[::-1],
            rows_in=len(units),
            rows_accepted=len(units),
            verdict="promoted",
            newest_on=day,
            landed_at=datetime(2026, 1, 1, tzinfo=UTC),
        ),
    )
    if commit:
        rewrite_in_force(lake, "org_units")


def versions(lake: Lake) -> list[tuple[str, str | None, date, date | None]]:
    with lake.connect() as connection:
        return connection.execute(
            "SELECT org_unit_id, name, valid_from, valid_to "
            f"FROM read_parquet('{lake.path('versions', 'org_units.parquet')}')"
        ).fetchall()


def reference(
    snapshots: dict[date, Snapshot], changes: bool = False
) -> list[tuple[str, str | None, date, date | None]]:
    """The same by walking the snapshots one after another."""
    out: list[list[Any]] = []
    live: dict[str, list[Any]] = {}
    for day in sorted(snapshots):
        now = snapshots[day]
        if not changes:
            for key in [k for k in live if k not in now]:
                live.pop(key)[3] = day
        for key, name in now.items():
            if key in live and live[key][1] == name:
                continue
            if key in live:
                live[key][3] = day
            live[key] = [key, name, day, None]
            out.append(live[key])
    return sorted((tuple(row) for row in out), key=lambda row: (row[0], row[2]))


JAN, FEB, MAR, APR = (date(2026, month, 1) for month in (1, 2, 3, 4))


def test_a_change_a_joiner_and_a_row_that_vanished(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "Sales", "b": "Ops"})
    deliver(lake, FEB, {"a": "Sales", "b": "Operations"})
    deliver(lake, MAR, {"a": "Sales", "c": None})
    report = fold(lake, "org_units")
    assert versions(lake) == [
        ("a", "Sales", JAN, None),
        ("b", "Ops", JAN, FEB),
        ("b", "Operations", FEB, MAR),
        ("c", None, MAR, None),
    ]
    assert (report.versions, report.standing_on, report.rebuilt) == (4, 3, True)


def test_a_ritual_folds_what_an_ingest_that_died_left(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Settings.model_validate(
        {
            "organisation": {"name": "Test"},
            "paths": {"home": str(tmp_path / "home"), "lake": str(tmp_path)},
            "feeds": {"org_units": {"files": {"units": "units_{date}.csv"}}},
        }
    )
    monkeypatch.setattr(build, "foundation_is_current", lambda _: True)
    deliver(lake, JAN, {"a": "Sales"})
    assert build.bring_base_up_to_date(asked, lake) == []
    deliver(lake, FEB, {"a": "Sales and service"})  # in force, and the process died
    assert build.bring_base_up_to_date(asked, lake) == []
    assert versions(lake) == [("a", "Sales", JAN, FEB), ("a", "Sales and service", FEB, None)]


def test_without_any_delivery_in_force_there_are_no_versions(lake: Lake) -> None:
    assert fold(lake, "org_units").versions == 0  # the first one was refused
    assert versions(lake) == []
    deliver(lake, JAN, {"a": "Sales"})
    assert fold(lake, "org_units").versions == 1
    Path(lake.path("deliveries", "org_units", f"{delivery_id(JAN, 1)}.json")).unlink()
    rewrite_in_force(lake, "org_units")
    assert fold(lake, "org_units").versions == 0
    assert versions(lake) == []


def test_a_row_that_comes_back_has_two_versions(lake: Lake) -> None:
    for day, units in ((JAN, {"a": "A", "b": "B"}), (FEB, {"b": "B"}), (MAR, {"a": "A", "b": "B"})):
        deliver(lake, day, units)
        fold(lake, "org_units")
    assert versions(lake) == [("a", "A", JAN, FEB), ("a", "A", MAR, None), ("b", "B", JAN, None)]


def test_a_middle_snapshot_arriving_late_splits_a_version(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "A"})
    deliver(lake, MAR, {"a": "A"})
    fold(lake, "org_units")
    assert versions(lake) == [("a", "A", JAN, None)]
    deliver(lake, FEB, {"a": "other"})
    report = fold(lake, "org_units")
    assert report.folded == ("2026-02-01.001",) and not report.rebuilt
    assert versions(lake) == [("a", "A", JAN, FEB), ("a", "other", FEB, MAR), ("a", "A", MAR, None)]


def test_a_superseding_delivery_replaces_its_date_only(lake: Lake) -> None:
    for day, name in ((JAN, "A"), (FEB, "wrong"), (MAR, "A")):
        deliver(lake, day, {"a": name})
    fold(lake, "org_units")
    deliver(lake, FEB, {"a": "A"}, sequence=2)
    assert fold(lake, "org_units").folded == ("2026-02-01.002",)
    assert versions(lake) == [("a", "A", JAN, None)]


def test_folding_again_reads_nothing_and_changes_no_byte(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "A"})
    fold(lake, "org_units")
    file = Path(lake.path("versions", "org_units.parquet"))
    before = file.read_bytes(), file.stat().st_mtime_ns
    assert fold(lake, "org_units").folded == ()
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def test_a_delivery_no_longer_in_force_leaves_no_trace(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "A"})
    deliver(lake, FEB, {"a": "B"})
    fold(lake, "org_units")
    lake.remove("deliveries", "org_units", "2026-02-01.001.json")
    rewrite_in_force(lake, "org_units")
    assert fold(lake, "org_units").rebuilt
    assert versions(lake) == [("a", "A", JAN, None)]


def test_change_sets_upsert_and_nothing_vanishes(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "A", "b": "B"})
    fold(lake, "org_units", changes=True)
    deliver(lake, MAR, {"a": "A2"})
    report = fold(lake, "org_units", changes=True)
    assert not report.rebuilt
    assert versions(lake) == [("a", "A", JAN, MAR), ("a", "A2", MAR, None), ("b", "B", JAN, None)]
    deliver(lake, FEB, {"a": "A1"})  # late: what March repeated is not in the versions
    assert fold(lake, "org_units", changes=True).rebuilt
    assert versions(lake) == [
        ("a", "A", JAN, FEB),
        ("a", "A1", FEB, MAR),
        ("a", "A2", MAR, None),
        ("b", "B", JAN, None),
    ]


def test_a_feed_that_turns_from_snapshots_to_changes_is_folded_anew(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "A", "b": "B"})
    deliver(lake, FEB, {"a": "A"})
    fold(lake, "org_units")
    assert versions(lake) == [("a", "A", JAN, None), ("b", "B", JAN, FEB)]
    assert fold(lake, "org_units", changes=True).rebuilt
    assert versions(lake) == [("a", "A", JAN, None), ("b", "B", JAN, None)]


def test_what_the_versions_stand_on_is_in_the_file_itself(lake: Lake) -> None:
    deliver(lake, JAN, {"a": "A"})
    fold(lake, "org_units")
    metadata = pq.read_metadata(lake.path("versions", "org_units.parquet")).metadata
    assert list(json.loads(metadata[b"folded"])["deliveries"]) == ["2026-01-01"]
    assert lake.files("versions", suffix=".tmp") == []


def test_a_crash_while_writing_leaves_the_last_versions(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(lake, JAN, {"a": "A"})
    fold(lake, "org_units")
    deliver(lake, FEB, {"a": "B"})

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "move", die)
        with pytest.raises(KeyboardInterrupt):
            fold(lake, "org_units")
    assert versions(lake) == [("a", "A", JAN, None)]
    fold(lake, "org_units")
    assert versions(lake) == [("a", "A", JAN, FEB), ("a", "B", FEB, None)]
    assert lake.files("versions", suffix=".tmp") == []


@pytest.fixture(scope="module")
def folders() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


snapshots = st.dictionaries(
    st.sampled_from("abcd"), st.sampled_from(["x", "y", None]), min_size=1, max_size=4
)
arrivals = st.lists(st.tuples(st.integers(0, 7), snapshots, st.booleans()), min_size=1, max_size=9)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(arriving=arrivals, changes=st.booleans())
def test_any_order_of_arrival_equals_a_fold_from_scratch(
    folders: Path, arriving: list[tuple[int, Snapshot, bool]], changes: bool
) -> None:
    """Random dates in random order, some superseding, folded in random batches."""
    with tempfile.TemporaryDirectory(dir=folders) as folder:
        lake = Lake(folder)
        held: dict[date, tuple[int, Snapshot]] = {}
        for offset, units, fold_now in arriving:
            day = JAN + timedelta(days=offset)
            held[day] = (held[day][0] + 1 if day in held else 1, units)
            deliver(lake, day, units, held[day][0], commit=fold_now)
            if fold_now:
                fold(lake, "org_units", changes=changes)
        rewrite_in_force(lake, "org_units")
        fold(lake, "org_units", changes=changes)
        file = Path(lake.path("versions", "org_units.parquet"))
        gradual = file.read_bytes()
        assert versions(lake) == reference({day: held[day][1] for day in held}, changes)
        file.unlink()
        fold(lake, "org_units", changes=changes)
        assert file.read_bytes() == gradual  # from scratch, byte for byte
