"""The KPIs that are true in a sample, computed from its latent state and never from its files.

Follows DESIGN section 4 in plain NumPy, without a look at the warehouse, so that tests can compare
the two. Where the design leaves a boundary open the simulator draws no case on it (nobody leaves
on the last day of a month, no certificate expires on one, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from orchestration.periods import Grain, Period, periods_between
from orchestration.sample import content
from orchestration.sample.accountability import accountability
from orchestration.sample.activity import LearningMarks
from orchestration.sample.charter import seats
from orchestration.sample.files import FileRecord
from orchestration.sample.leadership import METRICS, PRODUCTIVITY, SATISFACTION
from orchestration.sample.learning import day_of, retired_day
from orchestration.sample.organisation import (
    NEVER,
    UNSET,
    Column,
    Organisation,
    State,
    to_date,
    to_day,
)

JOINER_DAYS = 31
LEAVE_SHARE = 0.5
SHORT_NOTICE_DAYS = 14
LAPSING_DAYS = 60
LINES = ("employee", "contractor")
_MANY_UNITS = 60
_MANY_PEOPLE = 2000
_MANDATORY = np.array([course.mandatory for course in content.COURSES])
_PROGRAMME = np.array([course.programme for course in content.COURSES])

Counts = tuple[Column, Column]
"""Numerator and denominator by person or row: ones to be summed by unit."""


@dataclass
class Population:
    """Who counts in a period, by person."""

    state: State
    employed: Column
    away: Column
    joining: Column

    @property
    def eligible(self) -> Column:
        """Employed at the end, not on leave for more than half of the period, past day 31."""
        eligible: Column = self.employed & ~self.away & ~self.joining
        return eligible


@dataclass(frozen=True)
class Clock:
    """One person's way to one required competency, as known at the end of a period."""

    person: int
    competency: int
    started: int
    days: int
    reached: bool


def truth_of(
    organisation: Organisation, marks: LearningMarks, files: Mapping[str, FileRecord]
) -> dict[str, Any]:
    """Everything that is true of a sample, as plain values for one JSON file."""
    parameters = organisation.parameters
    bad: dict[str, dict[str, int]] = {}
    for name, record in files.items():
        feed = bad.setdefault(name.rsplit("_", 1)[0], {})
        for reason, count in record.bad.items():
            feed[reason] = feed.get(reason, 0) + count
    return {
        "parameters": parameters.to_json(),
        "planted": organisation.planted,
        "periods": {
            grain.value: {
                period.id: period_truth(organisation, marks, period)
                for period in whole_periods(organisation, grain)
            }
            for grain in (Grain.MONTH, Grain.QUARTER)
        },
        "outcomes": _outcomes(organisation),
        "sponsor_actions": _sponsor_actions(organisation),
        "leaders": accountability(organisation),
        "bad_rows": {feed: reasons for feed, reasons in bad.items() if reasons},
        "files": {name: asdict(record) for name, record in sorted(files.items())},
    }


def whole_periods(organisation: Organisation, grain: Grain) -> list[Period]:
    """Periods of the grain that lie whole within the simulated months."""
    first, last = organisation.parameters.first_day, organisation.parameters.last_day
    return [p for p in periods_between(grain, first, last) if p.start >= first and p.end <= last]


def period_truth(
    organisation: Organisation, marks: LearningMarks, period: Period
) -> dict[str, Any]:
    """Numerators and denominators of one period: ``kpis[kpi][line][unit] = [n, d]``."""
    population = population_of(organisation, period)
    everyone = np.arange(organisation.size)
    months = [
        n for n, month in enumerate(organisation.parameters.calendar) if _inside(month, period)
    ]
    voluntary = marks.voluntary[:, months].any(axis=1)
    total = marks.total[:, months].any(axis=1)
    eligible = population.eligible
    sums = _UnitSums(organisation, population)
    kpis = {
        "active_learner_rate": sums.of(everyone, voluntary & eligible, eligible),
        "active_learner_rate_total": sums.of(everyone, total & eligible, eligible),
        "on_time_completion_rate": sums.of(*due_in(organisation, period, mandatory=True)),
        "elective_completion_rate": sums.of(*due_in(organisation, period, mandatory=False)),
        "mandatory_short_notice": sums.of(*short_notice_in(organisation, period)),
        "certification_rate": sums.of(*certified_at(organisation, population, period)[:3]),
        "certifications_lapsing_60d": sums.of(*_lapsing(organisation, population, period)),
    }
    for name, mandatory in (("adoption_velocity", False), ("adoption_velocity_mandatory", True)):
        firsts = first_completions(organisation, population, period, mandatory=mandatory)
        kpis[name] = sums.of(everyone, firsts, eligible)
    clocks = clocks_at(organisation, population, period)
    who = np.array([clock.person for clock in clocks], dtype=np.int64)
    reached = np.array([clock.reached for clock in clocks], dtype=bool)
    kpis["time_to_competency"] = sums.of(who, reached, np.ones(len(who)))
    truth: dict[str, Any] = {
        "kpis": kpis,
        "eligible": sums.people(eligible),
        "on_leave": sums.people(population.employed & population.away),
        "not_yet_31_days": sums.people(population.employed & ~population.away & population.joining),
        "median_days_to_competency": _medians(organisation, clocks),
    }
    if organisation.size <= _MANY_PEOPLE:
        truth["clocks"] = _clock_rows(organisation, clocks)
    if period.grain is Grain.QUARTER:
        position = marks.quarters.index(period)
        employee = ~organisation.people["contractor"]
        active = int((marks.in_90_days[:, position] & eligible & employee).sum())
        truth["seat_use"] = [active, seats(organisation)]
    return truth


def _inside(month: Period, period: Period) -> bool:
    return period.start <= month.start and month.end <= period.end


class _UnitSums:
    """Sums by org unit as of a period, rolled up the tree, on each employment line."""

    def __init__(self, organisation: Organisation, population: Population) -> None:
        self._units = organisation.units
        self._unit = np.where(population.state.unit >= 0, population.state.unit, 0)
        self._contractor = organisation.people["contractor"]
        few = len(self._units) <= _MANY_UNITS
        self._shown = [n for n, unit in enumerate(self._units) if few or unit.depth <= 1]

    def of(
        self, who: Column, numerator: Column, denominator: Column
    ) -> dict[str, dict[str, list[int]]]:
        """Sum two columns that belong to the people ``who``."""
        sums: dict[str, dict[str, list[int]]] = {}
        for number, line in enumerate(LINES):
            on_line = self._contractor[who] == bool(number)
            top, bottom = (
                self._roll(who[on_line], np.asarray(column)[on_line])
                for column in (numerator, denominator)
            )
            sums[line] = {self._units[n].code: [int(top[n]), int(bottom[n])] for n in self._shown}
        return sums

    def people(self, mask: Column) -> dict[str, dict[str, int]]:
        """Count people by unit."""
        counted = self.of(np.arange(len(mask)), mask, mask)
        return {line: {u: n[0] for u, n in units.items()} for line, units in counted.items()}

    def _roll(self, who: Column, column: Column) -> Column:
        sums = np.bincount(
            self._unit[who], weights=column.astype(np.float64), minlength=len(self._units)
        )
        for number in range(len(self._units) - 1, 0, -1):  # parents stand before their children
            sums[self._units[number].parent] += sums[number]
        rounded: Column = np.rint(sums).astype(np.int64)
        return rounded


def population_of(organisation: Organisation, period: Period) -> Population:
    """Employment, leave and joining of everybody in a period, as known at its end."""
    people = organisation.people
    first, last = to_day(period.start), to_day(period.end)
    state = organisation.state_at(last)
    overlap = np.minimum(people["leave_to"], last) - np.maximum(people["leave_from"], first) + 1
    days = last - first + 1
    return Population(
        state=state,
        employed=organisation.employed_on(last),
        away=np.maximum(overlap, 0) > LEAVE_SHARE * days,
        joining=last - people["hired"] + 1 < JOINER_DAYS,
    )


def due_in(
    organisation: Organisation, period: Period, *, mandatory: bool
) -> tuple[Column, Column, Column]:
    """Person, on time, counted: enrolments by their first due date in the period."""
    rows = _due_rows(organisation, period, mandatory)
    table = organisation.enrolments
    done = table["completed"][rows]
    on_time = (done >= 0) & (day_of(done) <= table["due"][rows])
    return table["person"][rows], on_time, np.ones(len(rows), dtype=np.int64)


def short_notice_in(organisation: Organisation, period: Period) -> tuple[Column, Column, Column]:
    """Person, short notice, counted: of the mandatory enrolments due in the period."""
    rows = _due_rows(organisation, period, mandatory=True)
    table = organisation.enrolments
    notice = table["due"][rows] - day_of(table["enrolled"][rows])
    return table["person"][rows], notice < SHORT_NOTICE_DAYS, np.ones(len(rows), dtype=np.int64)


def _due_rows(organisation: Organisation, period: Period, mandatory: bool) -> Column:
    table, people = organisation.enrolments, organisation.people
    due, who = table["due"], table["person"]
    first, last = to_day(period.start), to_day(period.end)
    keep = (due >= first) & (due <= last) & (_MANDATORY[table["course"]] == mandatory)
    keep &= day_of(table["enrolled"]) <= last
    keep &= (people["hired"][who] <= due) & (people["left"][who] > due)
    keep &= (due < people["leave_from"][who]) | (due > people["leave_to"][who])
    retired = np.array([retired_day(organisation, course.code) for course in content.COURSES])
    keep &= retired[table["course"]] >= due
    keep &= table["cancelled_on"] > due
    rows: Column = np.flatnonzero(keep)
    return rows


def _requirement_starts(
    organisation: Organisation, state: State
) -> list[tuple[int, int, Column, Column]]:
    """(competency, grace days, people, first day of the requirement) by requirement in force."""
    found = []
    for requirement in organisation.requirements:
        if requirement.valid_from > state.day:
            continue
        holds = (state.role == requirement.role) | (requirement.role == UNSET)
        who = np.flatnonzero(holds)
        start = np.maximum(state.role_started[who], requirement.valid_from)
        found.append((requirement.competency, requirement.grace_days, who, start))
    return found


def _held_until(organisation: Organisation, competency: int, day: int) -> Column:
    """Per person: last day of a certificate that is valid at the end of ``day`` (-1: none)."""
    passes = organisation.passes
    valid = (
        (passes["competency"] == competency)
        & (day_of(passes["at"]) <= day)
        & (passes["expires"] > day)
        & (passes["revoked"] > day)
    )
    until = np.full(organisation.size, UNSET)
    np.maximum.at(until, passes["person"][valid], passes["expires"][valid])
    return until


def certified_at(
    organisation: Organisation, population: Population, period: Period
) -> tuple[Column, Column, Column, Column]:
    """Person, certified, counted and last valid day: pairs required and past grace at the end."""
    last = to_day(period.end)
    eligible = population.eligible
    people: list[Column] = [np.zeros(0, dtype=np.int64)]
    until: list[Column] = [np.zeros(0, dtype=np.int64)]
    for competency, grace, who, start in _requirement_starts(organisation, population.state):
        who = who[eligible[who] & (start + grace <= last)]
        people.append(who)
        until.append(_held_until(organisation, competency, last)[who])
    who, held = np.concatenate(people), np.concatenate(until)
    return who, held >= 0, np.ones(len(who), dtype=np.int64), held


def _lapsing(
    organisation: Organisation, population: Population, period: Period
) -> tuple[Column, Column, Column]:
    who, valid, _, held = certified_at(organisation, population, period)
    return who, valid & (held <= to_day(period.end) + LAPSING_DAYS), valid


def first_completions(
    organisation: Organisation, population: Population, period: Period, *, mandatory: bool
) -> Column:
    """Per person: programme courses completed for the first time in the period, if eligible."""
    table = organisation.enrolments
    first, last = to_day(period.start), to_day(period.end)
    done = (table["completed"] >= 0) & _PROGRAMME[table["course"]]
    done &= _MANDATORY[table["course"]] == mandatory
    pair = table["person"][done] * len(content.COURSES) + table["course"][done]
    day = day_of(table["completed"][done])
    pairs, position = np.unique(pair, return_inverse=True)
    earliest = np.full(len(pairs), NEVER)
    np.minimum.at(earliest, position, day)
    inside = (earliest >= first) & (earliest <= last)
    who = pairs[inside] // len(content.COURSES)
    counts = np.bincount(who, minlength=organisation.size)
    firsts: Column = counts * population.eligible
    return firsts


def clocks_at(organisation: Organisation, population: Population, period: Period) -> list[Clock]:
    """Clocks that started in the twelve months up to the period's end, as known then.

    Leavers stay in, censored on leaving; joiners count from the first day; people on leave for
    more than half of the period are left out, as everywhere.
    """
    people, passes = organisation.people, organisation.passes
    last = to_day(period.end)
    out = population.employed & population.away
    months = 12 if period.grain is Grain.MONTH else 4
    since = to_day(period.shift(1 - months).start)
    by_pair: dict[tuple[int, int], list[int]] = {}
    for row, (who, what) in enumerate(
        zip(passes["person"].tolist(), passes["competency"].tolist(), strict=True)
    ):
        by_pair.setdefault((who, what), []).append(row)
    clocks: list[Clock] = []
    for competency, _, who_all, start_all in _requirement_starts(organisation, population.state):
        window = (start_all >= since) & (start_all <= last) & ~out[who_all]
        window &= (people["hired"][who_all] <= last) & (people["left"][who_all] > start_all)
        starts = start_all[window].tolist()
        for person, start in zip(who_all[window].tolist(), starts, strict=True):
            rows = by_pair.get((person, competency), [])
            if any(
                day_of(passes["at"][row]) < start <= passes["expires"][row]
                and passes["revoked"][row] >= start
                for row in rows
            ):
                continue  # certified already when the clock would have started
            end = min(last, int(people["left"][person]))
            reached = [int(day_of(passes["at"][row])) for row in rows]
            reached = [day for day in reached if start <= day <= end]
            days = (min(reached) if reached else end) - start
            clocks.append(Clock(person, competency, start, days, bool(reached)))
    return clocks


def kaplan_meier_median(durations: list[tuple[int, bool]]) -> int | None:
    """First day by which at least half are expected to have reached it (None: not reached)."""
    alive = 1.0
    for day in sorted({days for days, reached in durations if reached}):
        at_risk = sum(days >= day for days, _ in durations)
        events = sum(days == day and reached for days, reached in durations)
        alive *= 1 - events / at_risk
        if alive <= 0.5 + 1e-12:
            return day
    return None


def _medians(organisation: Organisation, clocks: list[Clock]) -> dict[str, int | None]:
    """For the whole, by employment line."""
    contractor = organisation.people["contractor"]
    return {
        line: kaplan_meier_median(
            [(c.days, c.reached) for c in clocks if bool(contractor[c.person]) == bool(number)]
        )
        for number, line in enumerate(LINES)
    }


def _clock_rows(organisation: Organisation, clocks: list[Clock]) -> list[list[Any]]:
    """[person_id, competency, start, days, reached] of each clock."""
    return [
        [
            str(organisation.people["person_id"][clock.person]),
            content.COMPETENCIES[clock.competency].code,
            to_date(clock.started).isoformat(),
            clock.days,
            clock.reached,
        ]
        for clock in clocks
    ]


def _outcomes(organisation: Organisation) -> dict[str, Any]:
    """By division and metric: every quarter's figures, the baseline and the change against it."""
    table, parameters = organisation.outcomes, organisation.parameters
    launch = Period.containing(Grain.QUARTER, parameters.launch_on)
    before = {to_day(launch.shift(-n).start) for n in range(1, 5)}
    found: dict[str, Any] = {}
    rows = zip(*(table[name].tolist() for name in table), strict=True)
    for unit, metric, quarter, top, bottom in rows:
        entry = found.setdefault(organisation.units[unit].code, {}).setdefault(
            metric, {"baseline": [0.0, 0.0], "quarters": {}}
        )
        period = Period.containing(Grain.QUARTER, to_date(quarter))
        entry["quarters"][period.id] = [top, bottom]
        if quarter in before:
            entry["baseline"][0] += top
            entry["baseline"][1] += bottom
    for unit_entry in found.values():
        for metric, entry in unit_entry.items():
            top, bottom = entry["baseline"]
            sign = 1 if METRICS[metric][1] == "up" else -1
            entry["change_percent"] = {
                name: round(sign * 100 * (n / d / (top / bottom) - 1), 4)
                for name, (n, d) in entry["quarters"].items()
                if top and bottom and d
            }
    return {
        "declared": {
            division.code: SATISFACTION if division.code == "COM" else PRODUCTIVITY
            for division in content.DIVISIONS
        },
        "divisions": found,
    }


def _sponsor_actions(organisation: Organisation) -> dict[str, Any]:
    """Days on which each unit's sponsor acted in their own voice or in person for that unit."""
    actions = organisation.actions
    found = {}
    for number, unit in enumerate(organisation.units[:5]):
        mine = (actions["person"] == unit.sponsor) & (actions["unit"] == number)
        mine &= np.isin(actions["kind"], sorted(content.VISIBLE_KINDS))
        days = np.unique(actions["day"][mine])
        found[unit.code] = {
            "person_id": str(organisation.people["person_id"][unit.sponsor]),
            "visible_on": [to_date(day).isoformat() for day in days.tolist()],
        }
    return found
