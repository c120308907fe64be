"""What can be chosen about the simulated organisation, and nothing that is drawn from it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Literal

from orchestration.periods import Grain, Period, latest_closed, periods_between
from orchestration.problems import Problem

Cadence = Literal["month", "day"]
ActivityFormat = Literal["csv.gz", "parquet"]

SIMULATOR_VERSION = 4
"""Raised whenever the same parameters give other files."""

SMALLEST = 60
_DELEGATED_DAYS = 56


@dataclass(frozen=True)
class PlantedEffects:
    """What is true in the simulated organisation by design.

    Attributes:
        leader_effect: rise of the log-odds of being a voluntary learner in a month, nine months
            after launch, in a unit whose leaders act all the time (1.0); proportional below it.
        productivity_gain: rise of the productivity index in points, under the same conditions.
        satisfaction_gain: rise of the share of satisfied customers, under the same conditions.
        attrition_cut: share by which the hazard of leaving falls, under the same conditions.
        absent_sponsor: whether one division's sponsor falls silent.
        absent_months: how many months before the end the sponsor falls silent.
        late_months: how many last months mandatory learning slips in two divisions.
        late_drop: fall of the probability of finishing mandatory learning on time there.
        competing_priorities: whether another large piece of work runs in one division at the end.
        mandatory_launches: whether two mandatory courses of six hours are launched there within
            the last thirty days.
        stale_message: whether a message issued two months before the end is still out, beside
            the newest one.
        weak_cascade: whether most managers of one division leave the newest message unspoken.
        delegated_to_one_function: whether only the learning function and its division act in the
            last eight weeks; all other leaders are silent then and no new message goes out.
        log_faults: whether the decision log holds what a review must find: a decision taken
            without the right, one that waits for its owner for weeks, an action long overdue and
            a commitment whose due date was moved.
    """

    leader_effect: float = 1.9
    productivity_gain: float = 6.0
    satisfaction_gain: float = 0.06
    attrition_cut: float = 0.3
    absent_sponsor: bool = True
    absent_months: int = 6
    late_months: int = 2
    late_drop: float = 0.24
    competing_priorities: bool = True
    mandatory_launches: bool = False
    stale_message: bool = False
    weak_cascade: bool = False
    delegated_to_one_function: bool = False
    log_faults: bool = True

    @classmethod
    def none(cls) -> PlantedEffects:
        """A normal organisation: the programme works as planned and nothing is amiss."""
        return cls(
            absent_sponsor=False,
            late_months=0,
            late_drop=0.0,
            competing_priorities=False,
            log_faults=False,
        )


@dataclass(frozen=True)
class SampleParameters:
    """Size, span, seed and planted effects. The same parameters give byte-identical files.

    Attributes:
        people: head count at the start (about kept: leavers are replaced).
        months: calendar months simulated, the last being ``last_month``.
        cadence: "month" (one delivery of each feed a month) or "day".
        recent_weeks: with cadence "month", deliver weekly as well in the last so many weeks.
        teams: number of teams; None: one for about 36 people, at least eleven.
        activity_rows: rows of the activity feed over all months, exactly, planted bad and re-sent
            rows apart; None: what the people do, some fourteen a person and month.
        chunk_rows: the largest number of activity rows held at once.
    """

    people: int = 400
    months: int = 26
    seed: int = 7
    last_month: Period = dataclasses.field(
        default_factory=lambda: latest_closed(Grain.MONTH, date.today())
    )
    cadence: Cadence = "month"
    recent_weeks: int = 0
    teams: int | None = None
    activity_rows: int | None = None
    activity_format: ActivityFormat = "csv.gz"
    chunk_rows: int = 500_000
    time_zone: str = "Europe/London"
    effects: PlantedEffects = PlantedEffects()

    def __post_init__(self) -> None:
        if self.last_month.grain is not Grain.MONTH:
            raise Problem(f"{self.last_month.id!r} is not a month.", remedy="write it as 2026-10.")
        for name, least in (
            ("people", SMALLEST),
            ("months", 1),
            ("chunk_rows", 1000),
            ("recent_weeks", 0),
        ):
            if getattr(self, name) < least:
                raise Problem(
                    f"the sample cannot have {name} = {getattr(self, name)}.",
                    remedy=f"give {least} or more.",
                )

    @cached_property
    def calendar(self) -> tuple[Period, ...]:
        """The simulated months, in order."""
        return tuple(
            periods_between(
                Grain.MONTH, self.last_month.shift(1 - self.months).start, self.last_month.start
            )
        )

    @property
    def first_day(self) -> date:
        """First day of the first month."""
        return self.calendar[0].start

    @property
    def last_day(self) -> date:
        """Last day of the last month."""
        return self.last_month.end

    @cached_property
    def launch_on(self) -> date:
        """Start of the programme: the first quarter to begin after twelve months (or halfway)."""
        earliest = self.calendar[min(12, self.months // 2)].start
        quarter = Period.containing(Grain.QUARTER, earliest)
        start = quarter.start if quarter.start == earliest else quarter.shift(1).start
        return min(start, self.last_month.start)

    @cached_property
    def late_launch_on(self) -> date:
        """Start of the programme in the division that joins last: its plan runs at the end."""
        start = self.last_month.start
        return start + timedelta(days=-start.weekday() % 7)

    @cached_property
    def silent_from(self) -> date | None:
        """First day of the absent sponsor's silence; None: nobody is planted to be silent.

        Three weeks after launch at the earliest: a sponsor who never spoke is another story.
        """
        if not self.effects.absent_sponsor:
            return None
        planned = self.last_month.shift(1 - self.effects.absent_months).start
        first = max(planned, self.launch_on + timedelta(days=21))
        return first if first <= self.last_day else None

    @cached_property
    def delegated_from(self) -> date | None:
        """First day on which one function alone acts; None: that is not planted."""
        if not self.effects.delegated_to_one_function:
            return None
        return self.last_day - timedelta(days=_DELEGATED_DAYS - 1)

    @cached_property
    def snapshot_dates(self) -> tuple[date, ...]:
        """Dates of the snapshots: the day before the first month, then by the cadence."""
        before = self.first_day - timedelta(days=1)
        days = {before, *(month.end for month in self.calendar)}
        if self.cadence == "day":
            span = (self.last_day - before).days
            days |= {before + timedelta(days=n) for n in range(span + 1)}
        sunday = self.last_day - timedelta(days=(self.last_day.weekday() + 1) % 7)
        days |= {sunday - timedelta(weeks=n) for n in range(self.recent_weeks)}
        return tuple(sorted(day for day in days if day >= before))

    def to_json(self) -> dict[str, Any]:
        """Plain values that name this sample exactly, simulator version included."""
        values = dataclasses.asdict(self)
        values["last_month"] = self.last_month.id
        return {**values, "simulator_version": SIMULATOR_VERSION}
