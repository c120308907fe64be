"""Units and people: hiring, leaving, leave of absence, moves, new roles, succession of managers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestration.periods import Period
from orchestration.sample import content
from orchestration.sample.names import full_names
from orchestration.sample.organisation import (
    NEVER,
    UNSET,
    Column,
    Organisation,
    Requirement,
    Table,
    Unit,
    to_day,
    weekday,
)
from orchestration.sample.parameters import SampleParameters

POSTS = 13
"""The first people hold named posts for the whole time: see ``_fill_posts``."""
CHIEF, HEADS, PEOPLE_CHIEF, COUNSEL, LEARNING_HEAD, PROGRAMME_LEAD, DEPUTIES = 0, 1, 5, 6, 7, 8, 9
ELT = range(0, 7)

_ROLE = {name: number for number, name in enumerate(content.ROLES)}
_MANAGER_ROLE = _ROLE[content.MANAGER_ROLE]
_DIRECTOR_ROLE = _ROLE[content.DIRECTOR_ROLE]
_SPAN = 12
_LEAVING = 0.13
_LEAVING_CONTRACTOR = 0.45
_MOVING = 0.05
_NEW_ROLE = 0.06


def programme_ramp(month: Period, parameters: SampleParameters) -> float:
    """How far the programme has taken hold in a month: 0 before launch, 1 after nine months."""
    launch = parameters.launch_on
    since = (month.start.year - launch.year) * 12 + month.start.month - launch.month
    return float(np.clip((since + 1) / 9, 0, 1))


def leader_strength(unit: Unit, month: Period, parameters: SampleParameters) -> float:
    """Planted: what leaders' actions amount to in a unit and month, 0 to 1."""
    if unit.division in (UNSET, content.LATE):
        return 0.0
    strength = programme_ramp(month, parameters) * unit.leaders_act
    if parameters.silent_from is not None and unit.division == content.ABSENT:
        silent_from = parameters.silent_from
        silent = (month.start.year - silent_from.year) * 12
        silent += month.start.month - silent_from.month + 1
        if silent > 0:
            strength *= max(0.15, 1 - 0.3 * silent)
    return strength


def found(parameters: SampleParameters, rng: np.random.Generator) -> Organisation:
    """Lay out the units and let people come, move and go over all months."""
    units, slots = _units(parameters, rng)
    draw = _Workforce(parameters, units, slots, rng)
    draw.settle()
    for month in parameters.calendar:
        draw.pass_month(month)
    return draw.organisation()


@dataclass(frozen=True)
class _Slot:
    """A manager's place: those in it report to whoever holds it."""

    unit: int


def _units(
    parameters: SampleParameters, rng: np.random.Generator
) -> tuple[list[Unit], list[_Slot]]:
    units = [Unit("MF", content.ORGANISATION, UNSET, 0, UNSET, CHIEF)]
    slots = [_Slot(0)]
    for d, division in enumerate(content.DIVISIONS):
        units.append(Unit(division.code, division.name, 0, 1, d, HEADS + d))
        slots.append(_Slot(1 + d))
    wanted = parameters.teams
    if wanted is None and parameters.people >= 600:
        wanted = parameters.people // 36
    for d, division in enumerate(content.DIVISIONS):
        count = len(division.teams) if wanted is None else max(1, round(wanted * division.share))
        parent, depth = 1 + d, 2
        for t in range(count):
            if count > 24 and t % 12 == 0:
                number = t // 12 + 1
                name = f"{division.name}, department {number}"
                units.append(Unit(f"{division.code}-D{number:02d}", name, 1 + d, 2, d, HEADS + d))
                parent, depth = len(units) - 1, 3
            base = division.teams[t % len(division.teams)]
            round_ = t // len(division.teams)
            name = base if round_ == 0 else f"{base} {round_ + 1}"
            acts = round(float(rng.uniform(0.3, 1.0)), 2)
            code = f"{division.code}-{t + 1:03d}"
            units.append(Unit(code, name, parent, depth, d, UNSET, acts))
    return units, slots


def _weekday_of(day: int) -> int:
    return (day + 3) % 7


class _Workforce:
    """The organisation while it is being drawn. People are numbered in the order they are seen."""

    def __init__(
        self,
        parameters: SampleParameters,
        units: list[Unit],
        slots: list[_Slot],
        rng: np.random.Generator,
    ) -> None:
        self.parameters = parameters
        self.units = units
        self.slots = slots
        self.rng = rng
        self.teams = [n for n, unit in enumerate(units) if unit.depth >= 2 and unit.leaders_act > 0]
        room = int(parameters.people * (1.3 + 0.025 * parameters.months)) + 100
        self.count = 0
        self.now: Table = {
            name: np.full(room, UNSET) for name in ("unit", "role", "level", "slot", "role_started")
        }
        self.hired = np.full(room, NEVER)
        self.left = np.full(room, NEVER)
        self.contractor = np.zeros(room, dtype=bool)
        self.start = {name: column.copy() for name, column in self.now.items()}
        self.changes: list[tuple[int, int, int, int, int, int, int]] = []
        self.holders: list[tuple[int, int, int]] = []
        self.holds: dict[int, int] = {}
        self.month_ends = {to_day(month.end) for month in parameters.calendar}

    def _add(
        self,
        unit: int,
        role: int,
        level: int,
        slot: int,
        hired: int,
        role_started: int,
        contractor: bool = False,
    ) -> int:
        n = self.count
        if n >= len(self.hired):
            self._make_room()
        self.count += 1
        values = (unit, role, level, slot, role_started)
        for (name, column), value in zip(self.now.items(), values, strict=True):
            column[n] = value
            self.start[name][n] = value
        self.hired[n] = hired
        self.contractor[n] = contractor
        return n

    def _make_room(self) -> None:
        more = len(self.hired) // 2
        for table in (self.now, self.start):
            for name, column in table.items():
                table[name] = np.concatenate([column, np.full(more, UNSET)])
        self.hired = np.concatenate([self.hired, np.full(more, NEVER)])
        self.left = np.concatenate([self.left, np.full(more, NEVER)])
        self.contractor = np.concatenate([self.contractor, np.zeros(more, dtype=bool)])

    def _hold(self, day: int, slot: int, person: int) -> None:
        if slot in self.holds:
            del self.leads[self.holds[slot]]
        self.holds[slot] = person
        self.leads[person] = slot
        self.holders.append((day, slot, person))

    def settle(self) -> None:
        """Put the first people in their places, the day before the first month."""
        first = to_day(self.parameters.first_day)
        self.leads: dict[int, int] = {}
        long_ago = first - 2200
        self._fill_posts(long_ago)
        for size, team in zip(self._team_sizes(), self.teams, strict=True):
            unit = self.units[team]
            division = content.DIVISIONS[unit.division]
            tenure = self.rng.exponential(2100, size).astype(int) + 20
            tenure = np.minimum(tenure, 9000)
            share = np.where(self.rng.random(size) < 0.7, 1.0, self.rng.random(size))
            since_role = tenure * share
            role_numbers = [_ROLE[name] for name in division.roles]
            roles = self.rng.choice(role_numbers, size, p=(0.5, 0.3, 0.2))
            contractor = self.rng.random(size) < 0.083
            places = self._new_slots(team, size)
            for k in range(size):
                hired = self._avoid_month_end(first - int(tenure[k]))
                if k < len(places):  # the managers of the team
                    hired = min(hired, first - 500)
                    started = first - int(self.rng.integers(400, 1500))
                    boss = 1 + unit.division
                    person = self._add(team, _MANAGER_ROLE, 1, boss, hired, max(started, hired))
                    self._hold(long_ago, places[k], person)
                    continue
                started = max(hired, first - 1 - int(since_role[k]))
                slot = places[k % len(places)]
                self._add(team, int(roles[k]), 0, slot, hired, started, bool(contractor[k]))

    def _fill_posts(self, hired: int) -> None:
        self._hold(hired, 0, self._add(0, _DIRECTOR_ROLE, 3, UNSET, hired, hired))
        for d in range(4):
            self._hold(hired, 1 + d, self._add(1 + d, _DIRECTOR_ROLE, 3, 0, hired, hired))
        for _ in (PEOPLE_CHIEF, COUNSEL):
            self._add(0, _DIRECTOR_ROLE, 3, 0, hired, hired)
        self._add(4, _DIRECTOR_ROLE, 2, 4, hired, hired)  # head of learning
        self._add(4, _ROLE["People Adviser"], 0, 4, hired, hired)  # programme lead
        for d in range(4):
            self._add(1 + d, _DIRECTOR_ROLE, 2, 1 + d, hired, hired)

    def _team_sizes(self) -> list[int]:
        left = self.parameters.people - POSTS
        weights = np.zeros(len(self.teams))
        fixed: dict[int, int] = {}
        for position, team in enumerate(self.teams):
            unit = self.units[team]
            if unit.name == content.SMALL_TEAM:
                fixed[position] = content.SMALL_TEAM_SIZE
                continue
            peers = (
                sum(
                    self.units[other].division == unit.division
                    and self.units[other].name != content.SMALL_TEAM
                    for other in self.teams
                )
                if len(self.teams) < 100
                else 1
            )
            share = content.DIVISIONS[unit.division].share
            weights[position] = share / peers * float(self.rng.uniform(0.8, 1.25))
        if len(self.teams) >= 100:  # the number of teams is already in proportion to the shares
            weights = np.where(weights > 0, self.rng.uniform(0.7, 1.3, len(weights)), 0.0)
        left -= sum(fixed.values())
        ends = np.rint(np.cumsum(weights) / weights.sum() * left).astype(int)
        sizes = np.diff(ends, prepend=0)
        return [fixed.get(position, max(2, int(size))) for position, size in enumerate(sizes)]

    def _new_slots(self, team: int, size: int) -> list[int]:
        count = max(1, round(size / _SPAN))
        self.slots.extend(_Slot(team) for _ in range(count))
        return list(range(len(self.slots) - count, len(self.slots)))

    def _avoid_month_end(self, day: int) -> int:
        return day - 1 if day in self.month_ends or day + 1 in self.month_ends else day

    def _working_day(self, first: int, last: int) -> int:
        """A weekday in the month that is neither its last day nor the one before."""
        while True:
            day = int(self.rng.integers(first, max(first + 1, last - 1)))
            if _weekday_of(day) < 5:
                return day

    def pass_month(self, month: Period) -> None:
        """Let people leave, be replaced, move and change roles in one month."""
        first, last = to_day(month.start), to_day(month.end)
        rng, n = self.rng, self.count
        here = (self.hired[:n] < first) & (self.left[:n] == NEVER)
        here[:POSTS] = False
        hazard = np.where(self.contractor[:n], _LEAVING_CONTRACTOR, _LEAVING) / 12
        cut = np.zeros(len(self.units))
        for number, unit in enumerate(self.units):
            cut[number] = leader_strength(unit, month, self.parameters)
        hazard = hazard * (1 - self.parameters.effects.attrition_cut * cut[self.now["unit"][:n]])
        fate = rng.random(n)
        leaving = here & (fate < hazard)
        moving = here & ~leaving & (fate > 1 - _MOVING / 12)
        fresh = here & ~leaving & (fate > 0.5) & (fate < 0.5 + _NEW_ROLE / 12)
        staying = here & ~leaving & ~moving & ~fresh & ~self.contractor[:n]
        for person in np.flatnonzero(leaving).tolist():
            self._leave(person, self._working_day(first, last), staying, month)
        for person in np.flatnonzero(moving | fresh).tolist():
            if person in self.leads or self.left[person] != NEVER:
                continue
            if self.now["role"][person] in (_MANAGER_ROLE, _DIRECTOR_ROLE):
                continue
            day = self._working_day(first, last)
            if moving[person]:
                self._move(person, day)
            else:
                unit = self.units[int(self.now["unit"][person])]
                self._change(person, day, role=self._other_role(person, unit.division))

    def _other_role(self, person: int, division: int) -> int:
        roles = [_ROLE[name] for name in content.DIVISIONS[division].roles]
        roles = [role for role in roles if role != self.now["role"][person]]
        return int(self.rng.choice(roles))

    def _move(self, person: int, day: int) -> None:
        division = self.units[int(self.now["unit"][person])].division
        away = self.rng.random() < 0.25
        targets = (
            [
                team
                for team in self.teams
                if team != self.now["unit"][person]
                and (self.units[team].division != division) == away
                and self.units[team].name != content.SMALL_TEAM
            ]
            if len(self.teams) < 100
            else self.teams
        )
        if not targets:
            return
        team = int(self.rng.choice(targets))
        places = self._places(team)
        slot = int(self.rng.choice(places))
        if self.units[team].division == division:
            self._change(person, day, unit=team, slot=slot)
            return
        role = self._other_role(person, self.units[team].division)
        self._change(person, day, unit=team, slot=slot, role=role)

    def _places(self, team: int) -> list[int]:
        if not hasattr(self, "_places_of"):
            self._places_of: dict[int, list[int]] = {}
            for number, slot in enumerate(self.slots):
                self._places_of.setdefault(slot.unit, []).append(number)
        return self._places_of[team]

    def _change(
        self,
        person: int,
        day: int,
        unit: int | None = None,
        role: int | None = None,
        level: int | None = None,
        slot: int | None = None,
    ) -> None:
        for name, value in (("unit", unit), ("role", role), ("level", level), ("slot", slot)):
            if value is not None:
                self.now[name][person] = value
        if role is not None:
            self.now["role_started"][person] = day
        unit_, role_, level_, slot_, started = (int(c[person]) for c in self.now.values())
        self.changes.append((day, person, unit_, role_, level_, slot_, started))

    def _leave(self, person: int, day: int, staying: Column, month: Period) -> None:
        unit, role, level, slot = (
            int(self.now[name][person]) for name in ("unit", "role", "level", "slot")
        )
        place = self.leads.get(person)
        if place is not None:  # a manager goes only when someone of the team can follow
            team = (self.now["slot"][: len(staying)] == place) & staying
            candidates = [p for p in np.flatnonzero(team).tolist() if self.left[p] == NEVER]
            candidates = [p for p in candidates if p not in self.leads]
            if len(candidates) < 3:
                return
            follower = int(self.rng.choice(candidates))
            vacated = int(self.now["role"][follower])
            staying[follower] = False
            self._change(follower, day + 1, role=_MANAGER_ROLE, level=1, slot=slot)
            self._hold(day + 1, place, follower)
            role, level, slot = vacated, 0, place
        self.left[person] = day
        hired = self._start_day(month)
        if hired <= to_day(self.parameters.last_day) + 10:
            contractor = bool(self.contractor[person])
            self._add(unit, role, level, slot, hired, hired, contractor)

    def _start_day(self, month: Period) -> int:
        """A first of a month or a Monday in the next month."""
        following = month.shift(1)
        first = to_day(following.start)
        if self.rng.random() < 0.4:
            return first
        mondays = [day for day in range(first, to_day(following.end) - 2) if _weekday_of(day) == 0]
        return int(self.rng.choice(mondays))

    def _leaves(self) -> tuple[Column, Column, Column]:
        """At most one leave of absence a person: first day, last day, whether its end is known."""
        n, rng = self.count, self.rng
        first, last = to_day(self.parameters.first_day), to_day(self.parameters.last_day)
        span = last - first + 200
        chance = 0.045 * span / 365
        takes = (rng.random(n) < chance) & ~self.contractor[:n]
        takes[:POSTS] = False
        takes &= self.start["role"][:n] != _MANAGER_ROLE
        begin = rng.integers(first - 150, last + 20, n)
        begin = begin + np.where(weekday(begin) > 4, 7 - weekday(begin), 0)
        end = begin + rng.integers(30, 240, n)
        takes &= (begin > self.hired[:n] + 60) & (end < self.left[:n] - 5)
        planned = rng.random(n) < 0.6
        return (
            np.where(takes, begin, NEVER),
            np.where(takes, end, NEVER),
            planned,
        )

    def organisation(self) -> Organisation:
        """Everything drawn, as tables."""
        n = self.count
        names, mailboxes = full_names(n, self.rng)
        leave_from, leave_to, planned = self._leaves()
        order = sorted(self.changes)
        names_of = ("day", "person", "unit", "role", "level", "slot", "role_started")
        changes = np.array(order, dtype=np.int64).reshape(-1, 7)
        holders = np.array(sorted(self.holders), dtype=np.int64).reshape(-1, 3)
        sites = self.rng.integers(0, len(content.SITES), len(self.units))
        return Organisation(
            parameters=self.parameters,
            units=self.units,
            requirements=_requirements(self.parameters),
            people={
                "person_id": np.array([f"E{100_000 + k}" for k in range(n)]),
                "name": np.array(names),
                "email": np.array([f"{m}@{content.DOMAIN}" for m in mailboxes]),
                "contractor": self.contractor[:n],
                "hired": self.hired[:n],
                "left": self.left[:n],
                "leave_from": leave_from,
                "leave_to": leave_to,
                "leave_planned": planned,
                "site": sites[self.start["unit"][:n]],
            },
            start={name: column[:n] for name, column in self.start.items()},
            changes={name: changes[:, k] for k, name in enumerate(names_of)},
            holders={name: holders[:, k] for k, name in enumerate(("day", "slot", "person"))},
        )


def _requirements(parameters: SampleParameters) -> list[Requirement]:
    long_ago = to_day(parameters.first_day.replace(year=parameters.first_day.year - 5, day=1))
    found_: list[Requirement] = []
    launch = Period.parse(f"{parameters.launch_on:%Y-%m}")
    for number, competency in enumerate(content.COMPETENCIES):
        start = long_ago
        if competency.from_month is not None:
            start = to_day(launch.shift(competency.from_month).start)
        for role in competency.roles:
            found_.append(
                Requirement(
                    number, UNSET if role == "*" else _ROLE[role], competency.grace_days, start
                )
            )
    return found_
