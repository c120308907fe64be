"""How old a feed's data is, and whether that is late: judged by the data, never by run times."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from orchestration.feeds.contract import KEPT_BY_PEOPLE
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.periods import Grain, Period, latest_closed, nth_working_day
from orchestration.quality.close import covered_until, deadline, needed_until
from orchestration.settings import FeedName, Settings

_RECENT = 13
"""Deliveries that a feed's rhythm is read from."""


@dataclass(frozen=True)
class Freshness:
    """The age of one feed's data.

    Attributes:
        state: ``late`` (a deadline passed without the data it was for), ``quiet`` (nothing new
            for longer than usual, no deadline passed yet), ``fresh``, or ``not_connected``
            (optional, and nothing was ever in force).
        covered_until: last day the deliveries in force speak for; of activity whose deliveries go
            on without events, the day of the newest event.
        age_days: days from then to today.
        due_on: the deadline that passed last.
        needed_until: last day that the data had to cover by that deadline.
    """

    feed: FeedName
    state: Literal["fresh", "quiet", "late", "not_connected"]
    message: str
    covered_until: date | None
    age_days: int | None
    due_on: date
    needed_until: date


def freshness(
    settings: Settings, feed: FeedName, standing: Sequence[DeliveryManifest], now: datetime
) -> Freshness:
    """Judge a declared feed by its deliveries in force.

    The deadline is the feed's number of working days after a month's end, and after a week's for a
    feed that comes at least weekly; by then the period has to be covered as its close requires.

    Args:
        now: aware time.
    """
    declared = settings.feeds[feed]
    today = now.astimezone(settings.organisation.zone).date()
    month = latest_closed(Grain.MONTH, today)
    while today < deadline(settings, declared, month.end):
        month = month.shift(-1)
    covered = reach = covered_until(feed, standing)
    said = "the data ends on"
    event = _newest_event(feed, standing)
    quiet = timedelta(days=declared.max_quiet_days)
    is_idle = covered is not None and event is not None and event + quiet < covered
    if is_idle and event is not None:  # deliveries go on, and the close counts events
        covered, reach = event, event + quiet
        said = "deliveries go on, and their newest event is of"
    age = (today - covered).days if covered else None
    missed, due = month, deadline(settings, declared, month.end)
    if reach is not None and _comes_weekly(settings, feed, standing):
        expected = date.min if is_idle else _next_expected(settings, standing)
        week, week_due = _first_week_lacking(settings, feed, reach, expected)
        # where both are lacking, what was due first: since then it is late
        if week_due <= today and (reach >= needed_until(feed, month) or week_due < due):
            missed, due = week, week_due
    needed = needed_until(feed, missed)

    def result(state: Literal["fresh", "quiet", "late", "not_connected"], why: str) -> Freshness:
        return Freshness(feed, state, why, covered, age, due, needed)

    if feed in KEPT_BY_PEOPLE:
        if covered is None:
            return result("not_connected", "nothing was ever recorded, which is no fault.")
        return result("fresh", f"the last word is of {covered}; nothing new is no fault.")
    if covered is None or reach is None:
        if not declared.required:
            return result("not_connected", "optional, and no delivery was ever in force.")
        return result("late", f"no delivery is in force; {missed.label} was due on {due}.")
    said = f"{said} {covered}, {age} days ago"
    if reach < needed:
        return result("late", f"{said}; {missed.label} was due on {due}.")
    allowed = _usual_gap(standing) + declared.max_quiet_days
    if feed != "business_outcomes" and age is not None and age > allowed:
        return result("quiet", f"{said}; usually it is at most {allowed} days old.")
    return result("fresh", f"{said}.")


def _usual_gap(standing: Sequence[DeliveryManifest]) -> int:
    """Median days between the last deliveries; a month where there are too few to tell."""
    days = sorted(m.delivery_date for m in standing)[-_RECENT:]
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return round(median(gaps)) if len(gaps) >= 2 else 31


def _comes_weekly(settings: Settings, feed: FeedName, standing: Sequence[DeliveryManifest]) -> bool:
    """Whether the last deliveries came at least once a week, on average.

    Their dates and their arrivals did: what is dated by the day and brought once a month comes
    monthly. Outcomes are a quarter's, however often they come.
    """
    dates = {m.delivery_date for m in standing}
    arrivals = {m.landed_at.astimezone(settings.organisation.zone).date() for m in standing}
    return (
        feed != "business_outcomes"
        and len(dates) > 2
        and _is_weekly(dates)
        and _is_weekly(arrivals)
    )


def _is_weekly(dates: Collection[date]) -> bool:
    recent = sorted(dates)[-_RECENT:]
    return (recent[-1] - recent[0]).days <= 7 * (len(recent) - 1)


def _newest_event(feed: FeedName, standing: Sequence[DeliveryManifest]) -> date | None:
    if feed != "activity":
        return None
    return max((day for m in standing for day in m.event_days), default=None)


def _next_expected(settings: Settings, standing: Sequence[DeliveryManifest]) -> date:
    """The working day on which the next delivery comes, if it comes as usual."""
    gap = timedelta(days=_usual_gap(standing) - 1)
    newest = max(m.delivery_date for m in standing)
    return nth_working_day(newest + gap, 1, settings.organisation)


def _first_week_lacking(
    settings: Settings, feed: FeedName, reach: date, expected: date
) -> tuple[Period, date]:
    """The first week that is not covered though it could be by its deadline, and that.

    What comes on Fridays is never there by Wednesday: a week whose deadline is no later than the
    day on which the next delivery is expected is left to that one. However soon the deadline, a
    feed has the Monday to bring the Sunday in.
    """
    days = max(settings.feeds[feed].deadline_days, 2)
    week = Period.containing(Grain.WEEK, reach + timedelta(days=1))
    while (due := nth_working_day(week.end, days, settings.organisation)) <= expected:
        week = week.shift(1)
    return week, due
