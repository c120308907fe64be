"""The latent organisation: everything that is true in it, before any of it becomes a file.

Tables are dictionaries of NumPy columns of equal length. Days are integers since 1970-01-01; local
times are seconds since 1970-01-01 00:00 of the wall clock in the organisation's time zone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from orchestration.sample.parameters import SampleParameters

if TYPE_CHECKING:
    from orchestration.sample.decisions import Comment, Entry

Column = NDArray[Any]
Table = dict[str, Column]

EPOCH = date(1970, 1, 1)
DAY_SECONDS = 86_400
NEVER = 10**6
"""A day far after every other: 'has not happened'."""
UNSET = -1
"""In columns of persons, units, courses: none."""


def to_day(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH).days


def to_date(day: int) -> date:
    """The date of a day number."""
    return EPOCH + timedelta(days=int(day))


def weekday(day: Column) -> Column:
    """0 for Monday to 6 for Sunday."""
    return (day + 3) % 7


class Clock:
    """Turns wall-clock seconds into UTC seconds, by the offset in force at noon of the day.

    Changes of the clock in the small hours are thus taken to happen before the first event of
    their day, which holds as long as nothing is drawn between midnight and 03:00 of such a day.
    """

    def __init__(self, time_zone: str, first: int, last: int) -> None:
        zone = ZoneInfo(time_zone)
        self._first = first
        noons = (
            datetime.combine(to_date(day), time(12), tzinfo=zone) for day in range(first, last + 1)
        )
        offsets = [noon.utcoffset() or timedelta() for noon in noons]
        self._offsets = np.array([int(o.total_seconds()) for o in offsets], dtype=np.int64)

    def utc(self, local: Column) -> Column:
        """UTC seconds since the epoch of wall-clock seconds."""
        index = np.clip(local // DAY_SECONDS - self._first, 0, len(self._offsets) - 1)
        converted: Column = local - self._offsets[index]
        return converted


@dataclass(frozen=True)
class Unit:
    """An org unit. ``division`` is the index of the division it belongs to, -1 for the root.

    ``leaders_act`` (0 to 1) is how much its leaders do for learning: planted.
    """

    code: str
    name: str
    parent: int
    depth: int
    division: int
    sponsor: int
    leaders_act: float = 0.0


@dataclass(frozen=True)
class Requirement:
    """A competency that a job role needs (role -1: all do) from a day on."""

    competency: int
    role: int
    grace_days: int
    valid_from: int


@dataclass
class State:
    """Where everybody stood at the end of one day."""

    day: int
    unit: Column
    role: Column
    level: Column
    role_started: Column
    manager: Column


@dataclass
class Organisation:
    """All that is true of the simulated organisation, except its activity (drawn as a stream).

    Attributes:
        people: person_id, name, email, contractor, hired, left, leave_from, leave_to,
            leave_planned, site; a row's position is the person's number in every other table.
        start: unit, role, level, slot, role_started of each person when first seen.
        changes: day, person and the full new unit, role, level, slot, role_started; by day.
        holders: day, slot, person: who leads a slot (a manager's place) from that day; by day.
        enrolments: person, course, enrolled (local seconds), due (day, -1 none), extended_on,
            extended_due (days), started, completed (local seconds, -1 never), cancelled_on (day),
            score.
        passes: person, competency, at (local seconds), expires, revoked (days), score: each is a
            passed assessment and the certificate issued for it.
        failures: person, competency, at, score.
        actions: person, kind, unit, message, day, recorded (by which way, see ``actions``).
        outcomes: unit, metric, quarter (day), numerator, denominator.
        initiatives: dictionaries, as they go into the feed.
        log, comments: the decision and action log, and what KPI owners said.
        learns: by person and month, whether the person wants to learn voluntarily in it.
    """

    parameters: SampleParameters
    units: list[Unit]
    requirements: list[Requirement]
    people: Table
    start: Table
    changes: Table
    holders: Table
    enrolments: Table = field(default_factory=dict)
    passes: Table = field(default_factory=dict)
    failures: Table = field(default_factory=dict)
    actions: Table = field(default_factory=dict)
    outcomes: Table = field(default_factory=dict)
    initiatives: list[dict[str, Any]] = field(default_factory=list)
    governance: list[dict[str, Any]] = field(default_factory=list)
    log: list[Entry] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    learns: Column = field(default_factory=lambda: np.zeros((0, 0), dtype=bool))
    planted: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of people who are ever seen."""
        return len(self.people["hired"])

    def state_at(self, day: int) -> State:
        """Unit, role, level and manager of everybody at the end of ``day``."""
        columns = {name: column.copy() for name, column in self.start.items()}
        until = int(np.searchsorted(self.changes["day"], day, side="right"))
        who = self.changes["person"][:until]
        for name, column in columns.items():
            column[who] = self.changes[name][:until]  # of several changes the last one holds
        until = int(np.searchsorted(self.holders["day"], day, side="right"))
        slots = int(self.holders["slot"].max(initial=0)) + 1
        holder = np.full(slots, UNSET)
        holder[self.holders["slot"][:until]] = self.holders["person"][:until]
        slot = columns["slot"]
        manager = np.where(slot >= 0, holder[np.maximum(slot, 0)], UNSET)
        return State(
            day=day,
            unit=columns["unit"],
            role=columns["role"],
            level=columns["level"],
            role_started=columns["role_started"],
            manager=manager,
        )

    def employed_on(self, day: Column | int) -> Column:
        """Whether each person is employed on a day (the last day in work included)."""
        employed: Column = (self.people["hired"] <= day) & (self.people["left"] > day)
        return employed
