"""Which days' activity facts are out of date; a day nobody delivers any more is emptied."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from orchestration.feeds.deliveries import DeliveryManifest, rewrite_in_force, save_manifest
from orchestration.warehouse.build import (
    DAY_TAG,
    FOUNDATION_TAG,
    bring_base_up_to_date,
    day_flags,
    pending_event_days,
    prepare_event_days,
    record_event_days,
)
from orchestration.warehouse.lock import warehouse_connection, warehouse_lock
from tests.warehouse.small_lake import SmallLake

FIRST, SECOND = date(2026, 7, 1), date(2026, 7, 2)


def _deliver(small: SmallLake, sequence: int, *days: date) -> None:
    save_manifest(
        small.lake,
        DeliveryManifest(
            feed="activity",
            delivery_id=f"{SECOND}.{sequence:03d}",
            delivery_date=SECOND,
            sequence=sequence,
            files=[],
            content_hash=f"content {sequence}",
            event_days=list(days),
            verdict="promoted",
            landed_at="2026-07-03T00:00:00Z",
        ),
    )
    rewrite_in_force(small.lake, "activity")


def _pending(small: SmallLake) -> dict[date, bool]:
    """Each day that is out of date, and whether any delivery holds it."""
    return {
        d.event_day: bool(d.inputs_hash) for d in pending_event_days(small.settings, small.lake)
    }


def _asked_of_dbt(small: SmallLake) -> list[date]:
    with small.lake.connect() as connection:
        file = small.lake.path("control", "event_days.parquet")
        rows = connection.execute(f"SELECT event_day FROM '{file}' ORDER BY ALL").fetchall()
    return [day for (day,) in rows]


def test_a_day_that_no_delivery_holds_any_more_is_built_once_more(tmp_path: Path) -> None:
    small = SmallLake(tmp_path)
    _deliver(small, 1, FIRST, SECOND)
    with warehouse_lock(small.settings, "test"):
        assert _pending(small) == {FIRST: True, SECOND: True}
        record_event_days(small.settings, pending_event_days(small.settings, small.lake))
        assert _pending(small) == {FIRST: True, SECOND: True}  # there are no facts yet
        with warehouse_connection(small.settings) as connection:
            connection.execute("CREATE TABLE main.fct_course_day (event_day DATE)")
        assert _pending(small) == {}

        _deliver(small, 2, FIRST)
        assert _pending(small) == {FIRST: True, SECOND: False}
        days = pending_event_days(small.settings, small.lake)
        prepare_event_days(small.lake, days)
        assert _asked_of_dbt(small) == [FIRST, SECOND]
        record_event_days(small.settings, days)
        assert _pending(small) == {}


def test_a_day_with_rows_of_two_deliveries_is_said_to_have_two(tmp_path: Path) -> None:
    small = SmallLake(tmp_path)

    def known() -> dict[date, int]:
        return {d.event_day: d.deliveries for d in pending_event_days(small.settings, small.lake)}

    _deliver(small, 1, FIRST, SECOND)
    with warehouse_lock(small.settings, "test"):
        assert known() == {FIRST: 1, SECOND: 1}
        # the second delivery of that date supersedes the first, whose files stay in the lake
        _deliver(small, 2, SECOND)
        assert known() == {SECOND: 2}


def test_facts_of_other_models_are_laid_anew(tmp_path: Path) -> None:
    """Their columns may be others; where the facts of one day are kept, the table is, too."""
    small = SmallLake(tmp_path)
    _deliver(small, 1, FIRST, SECOND)

    def flags() -> list[str]:
        return day_flags(small.settings, pending_event_days(small.settings, small.lake))

    with warehouse_lock(small.settings, "test"):
        built = bring_base_up_to_date(small.settings, small.lake)
        assert built == [FOUNDATION_TAG, DAY_TAG]
        with warehouse_connection(small.settings) as connection:
            columns = connection.execute("DESCRIBE main.fct_course_day").fetchall()
            connection.execute("ALTER TABLE main.fct_course_day DROP COLUMN is_mandatory")
            of_first = "UPDATE bookkeeping.event_days SET inputs_hash = 'other' WHERE event_day = ?"
            connection.execute(of_first, [FIRST])
        assert flags() == []
        with warehouse_connection(small.settings) as connection:
            connection.execute("UPDATE bookkeeping.event_days SET inputs_hash = 'other'")
        assert flags() == ["--full-refresh"]
        assert bring_base_up_to_date(small.settings, small.lake) == [DAY_TAG]
        with warehouse_connection(small.settings) as connection:
            assert connection.execute("DESCRIBE main.fct_course_day").fetchall() == columns
