"""Leaders' actions, business outcomes, initiatives and who governs the programme."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from orchestration.periods import Grain, Period
from orchestration.sample import content
from orchestration.sample.learning import COURSE, campaign_month, day_of, outage_month
from orchestration.sample.organisation import (
    NEVER,
    UNSET,
    Organisation,
    Table,
    to_date,
    to_day,
)
from orchestration.sample.workforce import (
    CHIEF,
    COUNSEL,
    DEPUTIES,
    ELT,
    HEADS,
    LEARNING_HEAD,
    PEOPLE_CHIEF,
    PROGRAMME_LEAD,
    leader_strength,
)

LAUNCH_MESSAGE, REFRESH_MESSAGE = "MSG-LAUNCH", "MSG-REFRESH"
PRODUCTIVITY, SATISFACTION, ATTRITION = (
    "productivity_index",
    "customer_satisfaction",
    "voluntary_attrition",
)
METRICS = {
    PRODUCTIVITY: ("standard output per 100 hours", "up"),
    SATISFACTION: ("share of satisfied customers", "up"),
    ATTRITION: ("leavers per average head count", "down"),
}
_EARLIER_QUARTERS = 6


def lead(organisation: Organisation, rng: np.random.Generator) -> None:
    """Draw what leaders do, what the business achieves, and what else is going on."""
    organisation.actions = _actions(organisation, rng)
    organisation.outcomes = _outcomes(organisation, rng)
    organisation.initiatives = _initiatives(organisation)
    organisation.governance = _governance(organisation)
    parameters = organisation.parameters
    silent_from = parameters.last_month.shift(1 - parameters.effects.absent_months)
    absent = organisation.units[1 + content.ABSENT]
    organisation.planted = {
        "launch_on": parameters.launch_on.isoformat(),
        "not_started_division": content.DIVISIONS[content.NOT_STARTED].code,
        "absent_sponsor": {
            "org_unit_id": absent.code,
            "person_id": str(organisation.people["person_id"][absent.sponsor]),
            "silent_from": silent_from.start.isoformat(),
        }
        if parameters.effects.absent_sponsor
        else None,
        "leaders_act": {u.code: u.leaders_act for u in organisation.units if u.leaders_act > 0},
        "late_divisions": [content.DIVISIONS[d].code for d in (0, 1)],
        "late_from": parameters.last_month.shift(
            1 - parameters.effects.late_months
        ).start.isoformat(),
    }


def _actions(organisation: Organisation, rng: np.random.Generator) -> Table:
    parameters = organisation.parameters
    launch = to_day(parameters.launch_on)
    silent_from = to_day(parameters.last_month.shift(1 - parameters.effects.absent_months).start)
    rows: list[tuple[int, str, int, str, int]] = []

    def act(person: int, kind: str, unit: int, day: int, message: str = "") -> None:
        if day <= to_day(parameters.last_day):
            rows.append((person, kind, unit, message, day))

    monday = to_day(parameters.first_day) - (to_day(parameters.first_day) + 3) % 7
    sponsors = [(CHIEF, 0), *((HEADS + d, 1 + d) for d in range(4))]
    for week in range(monday, to_day(parameters.last_day), 7):
        for sponsor, unit in sponsors:
            day = max(week + int(rng.integers(0, 5)), to_day(parameters.first_day))
            division = organisation.units[unit].division
            begun = week >= launch and division != content.NOT_STARTED
            chance = (0.8 if unit else 0.72) if begun else 0.06
            silent = (
                parameters.effects.absent_sponsor
                and division == content.ABSENT
                and week >= silent_from - 6
            )
            if rng.random() < chance and not silent:
                kind = str(
                    rng.choice(
                        ["email", "town_hall", "learning_referenced", "learner_recognised"],
                        p=[0.4, 0.2, 0.25, 0.15],
                    )
                )
                act(sponsor, kind, unit, day)
            if begun and rng.random() < 0.15:  # approvals and attendance are not visibility
                act(sponsor, str(rng.choice(["budget_approval", "review_attended"])), unit, day)
    for sponsor, unit in sponsors:
        if organisation.units[unit].division != content.NOT_STARTED:
            act(sponsor, "town_hall", unit, launch + 13, LAUNCH_MESSAGE)
            act(sponsor, "email", unit, launch + 14, LAUNCH_MESSAGE)
    enrolments = organisation.enrolments
    flagship = (enrolments["course"] == COURSE["FLG-LEAD"]) & (enrolments["completed"] >= 0)
    absent = HEADS + content.ABSENT if parameters.effects.absent_sponsor else UNSET
    told: set[int] = set()
    for row in np.flatnonzero(flagship & (enrolments["person"] < len(ELT))).tolist():
        person, day = int(enrolments["person"][row]), int(day_of(enrolments["completed"][row]))
        if person not in told and not (person == absent and day >= silent_from):
            told.add(person)
            act(person, "public_completion", int(organisation.start["unit"][person]), day)
    for month in parameters.calendar:
        _team_actions(organisation, month, rng, rows)
    rows.sort(key=lambda row: (row[4], row[0], row[1], row[2], row[3]))
    return {
        "person": np.array([row[0] for row in rows], dtype=np.int64),
        "kind": np.array([row[1] for row in rows], dtype=str),
        "unit": np.array([row[2] for row in rows], dtype=np.int64),
        "message": np.array([row[3] for row in rows], dtype=str),
        "day": np.array([row[4] for row in rows], dtype=np.int64),
    }


def _team_actions(
    organisation: Organisation,
    month: Period,
    rng: np.random.Generator,
    rows: list[tuple[int, str, int, str, int]],
) -> None:
    """What the managers of teams do in a month: more of it where leaders act."""
    parameters = organisation.parameters
    first, last = to_day(month.start), to_day(month.end)
    state = organisation.state_at(last)
    managers = np.flatnonzero((state.level == 1) & organisation.employed_on(first))
    managers = managers[organisation.people["left"][managers] > last]
    launching = month.start == parameters.launch_on
    for manager in managers.tolist():
        number = int(state.unit[manager])
        unit = organisation.units[number]
        begun = month.start >= parameters.launch_on and unit.division != content.NOT_STARTED
        mean = 0.15 + 2.6 * leader_strength(unit, month, parameters)
        for _ in range(int(rng.poisson(mean))):
            kind = str(
                rng.choice(
                    [
                        "learner_recognised",
                        "learning_referenced",
                        "manager_forum_attended",
                        "time_freed",
                        "blocker_removed",
                    ]
                )
            )
            rows.append((manager, kind, number, "", int(rng.integers(first, last + 1))))
        if begun and launching and rng.random() < 0.5 + 0.5 * unit.leaders_act:
            day = first + 15 + int(rng.integers(0, 9))
            rows.append((manager, "manager_cascade", number, LAUNCH_MESSAGE, day))


def _outcomes(organisation: Organisation, rng: np.random.Generator) -> Table:
    """Quarters by division: a steady level before launch, the planted gain a quarter after it."""
    parameters = organisation.parameters
    effects = parameters.effects
    first = Period.containing(Grain.QUARTER, parameters.first_day)
    quarters = [first.shift(n) for n in range(-_EARLIER_QUARTERS, parameters.months // 3 + 2)]
    rows: list[tuple[int, str, int, float, float]] = []
    for quarter in quarters:
        if quarter.end > parameters.last_day:
            continue
        lagged = Period.containing(Grain.MONTH, quarter.shift(-1).end)
        for d, division in enumerate(content.DIVISIONS):
            unit, day = 1 + d, to_day(quarter.start)
            teams = [u for u in organisation.units if u.division == d and u.leaders_act > 0]
            strength = float(np.mean([leader_strength(u, lagged, parameters) for u in teams]))
            heads, leavers = _heads_and_leavers(organisation, quarter, unit, rng)
            index = division.productivity + effects.productivity_gain * strength
            index += float(rng.normal(0, 0.7)) + (0.6 if quarter.start.month == 10 else 0.0)
            hours = round(heads * 455 * float(rng.uniform(0.98, 1.02)))
            rows.append((unit, PRODUCTIVITY, day, round(index * hours / 100, 1), float(hours)))
            answers = int(rng.integers(700, 900))
            chance = division.satisfaction + effects.satisfaction_gain * strength
            rows.append(
                (unit, SATISFACTION, day, float(rng.binomial(answers, chance)), float(answers))
            )
            rows.append((unit, ATTRITION, day, float(leavers), float(heads)))
    return {
        "unit": np.array([row[0] for row in rows], dtype=np.int64),
        "metric": np.array([row[1] for row in rows], dtype=str),
        "quarter": np.array([row[2] for row in rows], dtype=np.int64),
        "numerator": np.array([row[3] for row in rows]),
        "denominator": np.array([row[4] for row in rows]),
    }


def _heads_and_leavers(
    organisation: Organisation, quarter: Period, division_unit: int, rng: np.random.Generator
) -> tuple[float, int]:
    """Average head count and voluntary leavers of a division; drawn where history has none."""
    people, parameters = organisation.people, organisation.parameters
    first, last = to_day(quarter.start), to_day(quarter.end)
    division = organisation.units[division_unit].division
    divisions = np.array([unit.division for unit in organisation.units])
    day = min(max(last, to_day(parameters.first_day)), to_day(parameters.last_day))
    inside = (divisions[organisation.state_at(day).unit] == division) & ~people["contractor"]
    if quarter.start < parameters.first_day:
        heads = float((inside & organisation.employed_on(day)).sum())
        return heads, int(rng.poisson(heads * 0.13 / 4))
    at_start = (inside & organisation.employed_on(first)).sum()
    at_end = (inside & organisation.employed_on(last)).sum()
    leavers = inside & (people["left"] >= first) & (people["left"] <= last)
    return float((at_start + at_end) / 2), int(leavers.sum())


def _initiatives(organisation: Organisation) -> list[dict[str, object]]:
    parameters = organisation.parameters
    calendar, units = parameters.calendar, organisation.units
    launch, last = parameters.launch_on, parameters.last_day
    rows: list[dict[str, object]] = []

    def add(kind: str, title: str, unit: int, starts: int, days: int, cost: float) -> None:
        rows.append(
            {
                "initiative_id": f"INI-{len(rows) + 1:02d}",
                "kind": kind,
                "title": title,
                "org_unit_id": units[unit].code,
                "starts_on": starts,
                "ends_on": starts + days,
                "cost": cost,
            }
        )

    if len(calendar) > 2:
        second = to_day(calendar[1].start)
        add("process_change", "Single sign-on for the learning system", 0, second, 4, 18_000)
    add("launch", "Learning at every shift: launch", 0, to_day(launch), 30, 42_000)
    if (outage := outage_month(organisation)) > 0:
        start = to_day(calendar[outage].start) + 9
        add("outage", "Learning system unavailable after an upgrade", 0, start, 3, 0)
    if (campaign := campaign_month(organisation)) > 0:
        add("campaign", "Learning week", 0, to_day(calendar[campaign].start) + 3, 11, 12_500)
    competing = to_day(last - timedelta(days=75))
    add("competing_work", "Cut-over to the new planning system", 1, competing, 120, 310_000)
    return rows


def _governance(organisation: Organisation) -> list[dict[str, object]]:
    """Who holds which role. The measurer of the last division leaves; the deputy stands in."""
    parameters, people = organisation.parameters, organisation.people
    since = parameters.first_day - timedelta(days=1)
    rows: list[dict[str, object]] = []

    def name(role: str, unit: str, person: int, deputy: int | None) -> None:
        rows.append(
            {
                "role": role,
                "org_unit_id": unit,
                "person_id": str(people["person_id"][person]),
                "deputy_person_id": "" if deputy is None else str(people["person_id"][deputy]),
                "valid_from": since.isoformat(),
                "valid_to": "",
            }
        )

    stayers = np.flatnonzero(
        (people["left"] == NEVER)
        & (people["hired"] < to_day(parameters.first_day) - 100)
        & ~people["contractor"]
        & (people["leave_from"] == NEVER)
    )
    managers = [p for p in stayers.tolist() if organisation.start["level"][p] == 1]
    representative = managers[0] if managers else PROGRAMME_LEAD
    name("executive_sponsor", "*", CHIEF, HEADS)
    name("ld_head", "*", LEARNING_HEAD, PROGRAMME_LEAD)
    name("program_lead", "*", PROGRAMME_LEAD, LEARNING_HEAD)
    name("manager_rep", "*", representative, managers[1] if len(managers) > 1 else None)
    name("operations_head", "*", HEADS, DEPUTIES)
    name("finance", "*", HEADS + 3, DEPUTIES + 3)
    name("people_head", "*", PEOPLE_CHIEF, LEARNING_HEAD)
    name("compliance_owner", "*", COUNSEL, PEOPLE_CHIEF)
    for person in ELT:
        name("elt_member", "*", person, None)
    units = organisation.units
    gone = _leaver_late(organisation)
    for d in range(4):
        inside = [
            p for p in stayers.tolist() if units[int(organisation.start["unit"][p])].division == d
        ]
        members = [p for p in inside if p >= 13 and organisation.start["level"][p] == 0]
        operator = members[0] if members else DEPUTIES + d
        measurer = members[1] if len(members) > 1 else DEPUTIES + d
        if d == 3 and gone != UNSET:
            measurer = gone
        name("sponsor", units[1 + d].code, HEADS + d, DEPUTIES + d)
        name("operator", units[1 + d].code, operator, DEPUTIES + d)
        name("measurer", units[1 + d].code, measurer, DEPUTIES + d)
    return rows


def _leaver_late(organisation: Organisation) -> int:
    """An employee there from the start who leaves in the second half (UNSET: there is none)."""
    people, parameters = organisation.people, organisation.parameters
    half = to_day(parameters.calendar[len(parameters.calendar) // 2].start)
    found = np.flatnonzero(
        (people["left"] < NEVER)
        & (people["left"] > half)
        & (people["hired"] < to_day(parameters.first_day))
        & ~people["contractor"]
    )
    return int(found[-1]) if len(found) else UNSET


def message_rows(organisation: Organisation) -> list[dict[str, object]]:
    """The two messages: at launch, and refreshed seventy-five days on."""
    parameters = organisation.parameters
    approver = str(organisation.people["person_id"][CHIEF])
    rows: list[dict[str, object]] = []
    for code, sentence, after in (
        (LAUNCH_MESSAGE, content.CORE_SENTENCE, 13),
        (REFRESH_MESSAGE, content.REFRESHED_SENTENCE, 75),
    ):
        issued = parameters.launch_on + timedelta(days=after)
        rows.append(
            {
                "message_id": code,
                "core_sentence": sentence,
                "audience_org_unit_id": "*",
                "approver_person_id": approver,
                "issued_on": issued.isoformat(),
                "expires_on": (issued + timedelta(days=30)).isoformat(),
            }
        )
    return rows


__all__ = ["METRICS", "lead", "message_rows", "to_date"]
