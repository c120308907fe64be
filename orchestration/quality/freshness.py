"""How old a feed's data is, and whether that is late: judged by the data, never by run times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from statistics import median
from typing import Literal

from orchestration.feeds.contract import KEPT_BY_PEOPLE
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.periods import Grain, latest_closed
from orchestration.quality.close import covered_until, deadline, needed_until
from orchestration.settings import FeedName, Settings


@dataclass(frozen=True)
class Freshness:
    """The age of one feed's data.

    Attributes:
        state: ``late`` (a deadline passed without the data it was for), ``quiet`` (nothing new
            for longer than usual, no deadline passed yet), ``fresh``, or ``not_connected``
            (optional, and nothing was ever in force).
        covered_until: last day the deliveries in force speak for.
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

    The deadline is the feed's number of working days after a month's end; by then the month has
    to be covered as its close requires.

    Args:
        now: aware time.
    """
    declared = settings.feeds[feed]
    today = now.astimezone(settings.organisation.zone).date()
    month = latest_closed(Grain.MONTH, today)
    while today < deadline(settings, declared, month.end):
        month = month.shift(-1)
    due, needed = deadline(settings, declared, month.end), needed_until(feed, month)
    covered = covered_until(feed, standing)
    age = (today - covered).days if covered else None

    def result(state: Literal["fresh", "quiet", "late", "not_connected"], why: str) -> Freshness:
        return Freshness(feed, state, why, covered, age, due, needed)

    if feed in KEPT_BY_PEOPLE:
        if covered is None:
            return result("not_connected", "nothing was ever recorded, which is no fault.")
        return result("fresh", f"the last word is of {covered}; nothing new is no fault.")
    if covered is None:
        if not declared.required:
            return result("not_connected", "optional, and no delivery was ever in force.")
        return result("late", f"no delivery is in force; {month.label} was due on {due}.")
    said = f"the data ends on {covered}, {age} days ago"
    if covered < needed:
        return result("late", f"{said}; {month.label} was due on {due}.")
    allowed = _usual_gap(standing) + declared.max_quiet_days
    if feed != "business_outcomes" and age is not None and age > allowed:
        return result("quiet", f"{said}; usually it is at most {allowed} days old.")
    return result("fresh", f"{said}.")


def _usual_gap(standing: Sequence[DeliveryManifest]) -> int:
    """Median days between the last deliveries; a month where there are too few to tell."""
    days = sorted(m.delivery_date for m in standing)[-13:]
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return round(median(gaps)) if len(gaps) >= 2 else 31
