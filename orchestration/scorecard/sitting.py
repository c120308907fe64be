"""When the review that a pack belongs to sits, from the charter's review calendar."""

from __future__ import annotations

from datetime import datetime, time

from orchestration.periods import Period, nth_working_day
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.model import Sitting
from orchestration.settings import Settings


def sitting(period: Period, charter: Charter, settings: Settings) -> Sitting | None:
    """The sitting of a period's review; None where the calendar gives it no day or no time.

    It sits so many working days after publication, at the calendar's wall-clock time in the
    organisation's zone.
    """
    row = charter.calendar(period.grain.ritual)
    if row is None or not row["sits_after_days"] or not row["starts_at"]:
        return None
    day = published_on(period, settings)
    if days := int(row["sits_after_days"]):
        day = nth_working_day(day, days, settings.organisation)
    starts_at = time.fromisoformat(row["starts_at"])
    return Sitting(
        name=row["name"],
        starts_at=datetime.combine(day, starts_at, tzinfo=settings.organisation.zone),
        minutes=int(row["minutes"]),
        place=row["place"] or None,
        agenda=tuple(item.strip() for item in row["agenda"].split("|")),
    )
