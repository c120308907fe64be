"""When the monthly and quarterly reviews of the simulated organisation ask and sit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from orchestration.periods import Grain, Period, periods_between
from orchestration.sample.parameters import SampleParameters

FIRST_REVIEW_DAY = 28
"""Days after a launch of the first monthly review: the engagement plan allows thirty."""
_PUBLISHED, _SITS = 5, 8
"""Working days of the month after: publication of the pack, and the sitting."""
_QUARTER_PUBLISHED = 10


@dataclass(frozen=True)
class Review:
    """One review that was held: the period it is of, when its pack asked, when it sat."""

    period: Period
    asked_on: date
    sits_on: date


def weekday_back(day: date) -> date:
    """The day itself, or the Friday before a weekend."""
    return day - timedelta(days=max(0, day.weekday() - 4))


def working_day(month: Period, number: int) -> date:
    """The n-th weekday of a month; the sample knows no public holidays."""
    day = month.start
    while number > 1 or day.weekday() > 4:
        number -= day.weekday() < 5
        day += timedelta(days=1)
    return day


def first_review_on(launch: date) -> date:
    """The first monthly review after a launch."""
    return weekday_back(launch + timedelta(days=FIRST_REVIEW_DAY))


def monthly_reviews(parameters: SampleParameters) -> list[Review]:
    """The reviews since launch whose pack went out within the simulated months, in order.

    The first sits on the day that the charter names and reviews the month before launch.
    """
    launch_month = Period.containing(Grain.MONTH, parameters.launch_on)
    last = parameters.last_month.shift(-1)
    found: list[Review] = []
    for month in periods_between(Grain.MONTH, launch_month.shift(-1).start, last.start):
        after = month.shift(1)
        first = month == launch_month.shift(-1)
        sits = first_review_on(parameters.launch_on) if first else working_day(after, _SITS)
        asked = working_day(after, _PUBLISHED)
        if first:
            asked = max(asked, weekday_back(sits - timedelta(days=7)))
        if asked <= parameters.last_day:
            found.append(Review(month, asked, sits))
    return found


def quarterly_reviews(parameters: SampleParameters) -> list[Review]:
    """The quarterly reviews of quarters that began after launch, in order."""
    found: list[Review] = []
    for quarter in periods_between(Grain.QUARTER, parameters.launch_on, parameters.last_day):
        if quarter.start < parameters.launch_on:
            continue
        asked = working_day(
            Period.containing(Grain.MONTH, quarter.end + timedelta(days=1)), _QUARTER_PUBLISHED
        )
        if asked <= parameters.last_day:
            found.append(
                Review(quarter, asked, asked + timedelta(days=2 if asked.weekday() < 3 else 4))
            )
    return found
