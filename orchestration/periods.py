"""Weeks, months and quarters: their arithmetic, identifiers, reporting calendar and partitions.

A period's first and last day are both inclusive. Weeks are ISO weeks (Monday to Sunday).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

import holidays

from orchestration.problems import Problem
from orchestration.settings import OrganisationSettings

if TYPE_CHECKING:
    from dagster import TimeWindowPartitionsDefinition


class Grain(StrEnum):
    """The three reporting grains; each is one ritual's."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"

    @property
    def ritual(self) -> str:
        """Name of the ritual that reviews this grain: weekly, monthly or quarterly."""
        return f"{self.value}ly"


@dataclass(frozen=True, order=True)
class Period:
    """One reporting period, ``start`` to ``end`` inclusive."""

    start: date
    end: date
    grain: Grain

    @classmethod
    def containing(cls, grain: Grain, day: date) -> Period:
        """The period of this grain that ``day`` falls in."""
        if grain is Grain.WEEK:
            start = day - timedelta(days=day.weekday())
            return cls(start, start + timedelta(days=6), grain)
        if grain is Grain.MONTH:
            return cls(day.replace(day=1), _month_end(day), grain)
        first_month = 3 * ((day.month - 1) // 3) + 1
        start = date(day.year, first_month, 1)
        return cls(start, _month_end(date(day.year, first_month + 2, 1)), grain)

    @classmethod
    def parse(cls, period_id: str) -> Period:
        """Read ``2026-W45``, ``2026-10`` or ``2026-Q3``.

        Raises:
            Problem: the text is none of these or names no real period.
        """
        try:
            if match := re.fullmatch(r"(\d{4})-W(\d{2})", period_id):
                monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
                return cls.containing(Grain.WEEK, monday)
            if match := re.fullmatch(r"(\d{4})-Q([1-4])", period_id):
                return cls.containing(Grain.QUARTER, date(int(match[1]), 3 * int(match[2]), 1))
            if match := re.fullmatch(r"(\d{4})-(\d{2})", period_id):
                return cls.containing(Grain.MONTH, date(int(match[1]), int(match[2]), 1))
        except ValueError:
            pass
        raise Problem(
            f"{period_id!r} is not a period.",
            remedy="write a week as 2026-W45, a month as 2026-10, a quarter as 2026-Q3.",
        )

    @property
    def id(self) -> str:
        """Identifier that sorts in time order within its grain."""
        if self.grain is Grain.WEEK:
            year, week, _ = self.start.isocalendar()
            return f"{year}-W{week:02d}"
        if self.grain is Grain.MONTH:
            return f"{self.start:%Y-%m}"
        return f"{self.start.year}-Q{(self.start.month + 2) // 3}"

    @property
    def label(self) -> str:
        """The period as a reader says it: 'October 2026'."""
        if self.grain is Grain.WEEK:
            return f"Week {self.start.isocalendar().week}, {self.start.isocalendar().year}"
        if self.grain is Grain.MONTH:
            return f"{self.start:%B %Y}"
        return f"Q{(self.start.month + 2) // 3} {self.start.year}"

    def shift(self, count: int) -> Period:
        """The period ``count`` periods later (earlier when negative)."""
        if self.grain is Grain.WEEK:
            return Period.containing(self.grain, self.start + timedelta(weeks=count))
        step = 1 if self.grain is Grain.MONTH else 3
        months = self.start.year * 12 + self.start.month - 1 + step * count
        return Period.containing(self.grain, date(months // 12, months % 12 + 1, 1))

    @property
    def same_last_year(self) -> Period:
        """The same month or quarter a year before; for a week, 52 weeks before."""
        return self.shift({Grain.WEEK: -52, Grain.MONTH: -12, Grain.QUARTER: -4}[self.grain])


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def periods_between(grain: Grain, first: date, last: date) -> Iterator[Period]:
    """Every period of the grain that has a day in ``first``..``last``, in order."""
    period = Period.containing(grain, first)
    while period.start <= last:
        yield period
        period = period.shift(1)


def latest_closed(grain: Grain, today: date) -> Period:
    """The last period that ended before ``today``."""
    return Period.containing(grain, today).shift(-1)


@lru_cache(maxsize=16)
def _holidays(country: str, subdivision: str | None) -> holidays.HolidayBase:
    return holidays.country_holidays(country, subdiv=subdivision)


def is_working_day(day: date, organisation: OrganisationSettings) -> bool:
    """Monday to Friday and no public holiday of the organisation's country."""
    return day.weekday() < 5 and day not in _holidays(
        organisation.country, organisation.subdivision
    )


def nth_working_day(after: date, count: int, organisation: OrganisationSettings) -> date:
    """The ``count``-th working day after the day ``after`` (negative: before it)."""
    step = timedelta(days=1 if count > 0 else -1)
    day, left = after, abs(count)
    while left:
        day += step
        left -= is_working_day(day, organisation)
    return day


def at_hour(day: date, hour: int, organisation: OrganisationSettings) -> datetime:
    """That day at that wall-clock hour in the organisation's time zone, as an aware time."""
    return datetime.combine(day, time(hour), tzinfo=organisation.zone)


def day_partitions(
    organisation: OrganisationSettings,
) -> TimeWindowPartitionsDefinition:
    """Delivery dates, today included, in the organisation's time zone."""
    from dagster import DailyPartitionsDefinition

    return DailyPartitionsDefinition(
        start_date=organisation.history_from.isoformat(),
        timezone=organisation.time_zone,
        end_offset=1,
    )


def period_partitions(
    grain: Grain, organisation: OrganisationSettings
) -> TimeWindowPartitionsDefinition:
    """The closed periods of one grain; a partition's key is ``partition_key`` of its period."""
    from dagster import (
        MonthlyPartitionsDefinition,
        TimeWindowPartitionsDefinition,
        WeeklyPartitionsDefinition,
    )

    first = Period.containing(grain, organisation.history_from)
    start = (first if first.start >= organisation.history_from else first.shift(1)).start
    if grain is Grain.WEEK:
        return WeeklyPartitionsDefinition(
            start_date=start.isoformat(), timezone=organisation.time_zone, day_offset=1
        )
    if grain is Grain.MONTH:
        return MonthlyPartitionsDefinition(
            start_date=start.isoformat(), timezone=organisation.time_zone
        )
    return TimeWindowPartitionsDefinition(
        start=start.isoformat(),
        cron_schedule="0 0 1 */3 *",
        fmt="%Y-%m-%d",
        timezone=organisation.time_zone,
    )


def partition_key(period: Period) -> str:
    """The Dagster partition key of a period: its first day."""
    return period.start.isoformat()
