"""Period arithmetic against known calendar facts and against day-by-day counting."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.periods import (
    Grain,
    Period,
    at_hour,
    day_partitions,
    is_working_day,
    latest_closed,
    nth_working_day,
    partition_key,
    period_partitions,
    periods_between,
)
from orchestration.problems import Problem
from orchestration.settings import OrganisationSettings

LONDON = OrganisationSettings(
    name="Test", time_zone="Europe/London", country="GB", subdivision="ENG"
)
DAYS = st.dates(date(2015, 1, 1), date(2040, 12, 31))
GRAINS = st.sampled_from(list(Grain))


@pytest.mark.parametrize(
    ("grain", "day", "start", "end", "period_id", "label"),
    [
        (Grain.WEEK, "2021-01-03", "2020-12-28", "2021-01-03", "2020-W53", "Week 53, 2020"),
        (Grain.WEEK, "2026-11-23", "2026-11-23", "2026-11-29", "2026-W48", "Week 48, 2026"),
        (Grain.MONTH, "2024-02-29", "2024-02-01", "2024-02-29", "2024-02", "February 2024"),
        (Grain.MONTH, "2026-12-31", "2026-12-01", "2026-12-31", "2026-12", "December 2026"),
        (Grain.QUARTER, "2026-08-15", "2026-07-01", "2026-09-30", "2026-Q3", "Q3 2026"),
        (Grain.QUARTER, "2026-12-31", "2026-10-01", "2026-12-31", "2026-Q4", "Q4 2026"),
    ],
)
def test_known_periods(
    grain: Grain, day: str, start: str, end: str, period_id: str, label: str
) -> None:
    period = Period.containing(grain, date.fromisoformat(day))
    assert (period.start.isoformat(), period.end.isoformat()) == (start, end)
    assert (period.id, period.label) == (period_id, label)
    assert Period.parse(period_id) == period


@given(GRAINS, DAYS, st.integers(-60, 60))
def test_shift_steps_over_adjoining_periods(grain: Grain, day: date, count: int) -> None:
    period = Period.containing(grain, day)
    assert period.start <= day <= period.end
    assert period.shift(1).start == period.end + timedelta(days=1)
    assert period.shift(count).shift(-count) == period
    assert Period.parse(period.id) == period
    assert latest_closed(grain, period.shift(1).start) == period
    assert latest_closed(grain, period.end) == period.shift(-1)


@given(GRAINS, DAYS, DAYS)
def test_periods_between_cover_every_day_once(grain: Grain, one: date, other: date) -> None:
    first, last = min(one, other), min(max(one, other), min(one, other) + timedelta(days=400))
    periods = list(periods_between(grain, first, last))
    assert periods[0].start <= first and last <= periods[-1].end
    for earlier, later in itertools.pairwise(periods):
        assert later.start == earlier.end + timedelta(days=1)


def test_same_period_last_year() -> None:
    assert Period.parse("2026-02").same_last_year.id == "2025-02"
    assert Period.parse("2026-Q1").same_last_year.id == "2025-Q1"
    assert Period.parse("2026-W48").same_last_year.id == "2025-W48"


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-W54", "2026-Q5", "26-10", "../x"])
def test_what_is_no_period_says_so(text: str) -> None:
    with pytest.raises(Problem, match="is not a period"):
        Period.parse(text)


def test_working_days_skip_weekends_and_bank_holidays() -> None:
    # Easter 2026: Good Friday 3 April, Easter Monday 6 April
    assert not is_working_day(date(2026, 4, 3), LONDON)
    assert nth_working_day(date(2026, 3, 31), 2, LONDON) == date(2026, 4, 2)
    assert nth_working_day(date(2026, 3, 31), 3, LONDON) == date(2026, 4, 7)
    assert nth_working_day(date(2026, 10, 31), 5, LONDON) == date(2026, 11, 6)
    assert nth_working_day(date(2026, 4, 8), -2, LONDON) == date(2026, 4, 2)


def test_hours_are_wall_clock_hours_on_both_sides_of_a_clock_change() -> None:
    winter, summer = at_hour(date(2026, 3, 27), 7, LONDON), at_hour(date(2026, 3, 30), 7, LONDON)
    utc = ZoneInfo("UTC")
    assert winter.astimezone(utc) == datetime(2026, 3, 27, 7, tzinfo=utc)
    assert summer.astimezone(utc) == datetime(2026, 3, 30, 6, tzinfo=utc)


@pytest.mark.parametrize("grain", list(Grain))
def test_partitions_are_the_closed_periods(grain: Grain) -> None:
    keys = period_partitions(grain, LONDON).get_partition_keys(
        current_time=datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("UTC"))
    )
    first = Period.containing(grain, date.fromisoformat(keys[0]))
    last = Period.containing(grain, date.fromisoformat(keys[-1]))
    assert last == latest_closed(grain, date(2026, 11, 23))
    assert keys == [partition_key(p) for p in periods_between(grain, first.start, last.end)]
    assert first.start == date(2024, 1, 1)


def test_day_partitions_include_today() -> None:
    keys = day_partitions(LONDON).get_partition_keys(
        current_time=datetime(2026, 11, 23, 12, tzinfo=ZoneInfo("UTC"))
    )
    assert keys[-1] == "2026-11-23"
