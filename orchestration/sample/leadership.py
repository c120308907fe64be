"""Leaders' actions, business outcomes, initiatives and who governs the programme."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from orchestration.periods import Grain, Period
from orchestration.sample import content
from orchestration.sample.actions import actions_of
from orchestration.sample.decisions import comments_of, log_of
from orchestration.sample.learning import campaign_month, outage_month
from orchestration.sample.messages import LINK, messages
from orchestration.sample.organisation import NEVER, UNSET, Organisation, Table, to_day
from orchestration.sample.workforce import (
    CHIEF,
    COUNSEL,
    DEPUTIES,
    HEADS,
    LEARNING_HEAD,
    PEOPLE_CHIEF,
    POSTS,
    PROGRAMME_LEAD,
    leader_strength,
)

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
    """Draw what leaders do and decide, what the business achieves, and what else is going on."""
    parameters = organisation.parameters
    organisation.actions = actions_of(organisation, rng)
    organisation.outcomes = _outcomes(organisation, rng)
    organisation.initiatives = _initiatives(organisation)
    organisation.governance = _governance(organisation)
    organisation.log = log_of(organisation, np.random.default_rng([parameters.seed, 5]))
    organisation.comments = comments_of(organisation)
    absent = organisation.units[1 + content.ABSENT]
    organisation.planted = {
        "launch_on": parameters.launch_on.isoformat(),
        "late_division": content.DIVISIONS[content.LATE].code,
        "late_launch_on": parameters.late_launch_on.isoformat(),
        "absent_sponsor": {
            "org_unit_id": absent.code,
            "person_id": str(organisation.people["person_id"][absent.sponsor]),
            "silent_from": parameters.silent_from.isoformat(),
        }
        if parameters.silent_from is not None
        else None,
        "leaders_act": {u.code: u.leaders_act for u in organisation.units if u.leaders_act > 0},
        "late_divisions": [content.DIVISIONS[d].code for d in (0, 1)],
        "late_from": parameters.last_month.shift(
            1 - parameters.effects.late_months
        ).start.isoformat(),
    }


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
    if parameters.effects.competing_priorities:
        competing, unit = to_day(last - timedelta(days=75)), 1 + content.COMPETING
        add("competing_work", "Cut-over to the new planning system", unit, competing, 120, 310_000)
    return rows


def _governance(organisation: Organisation) -> list[dict[str, object]]:
    """Who holds which role. The measurer of the last division leaves; the deputy stands in."""
    parameters, people = organisation.parameters, organisation.people
    since = parameters.first_day - timedelta(days=1)
    rows: list[dict[str, object]] = []

    def name(role: str, unit: str, person: int, deputy: int) -> None:
        rows.append(
            {
                "role": role,
                "org_unit_id": unit,
                "person_id": str(people["person_id"][person]),
                "deputy_person_id": str(people["person_id"][deputy]),
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
    others = [p for p in stayers.tolist() if p >= POSTS]
    managers = [p for p in others if organisation.start["level"][p] == 1]
    representatives = [*managers, *others, DEPUTIES, DEPUTIES + 1]
    name("executive_sponsor", "*", CHIEF, HEADS)
    name("sponsor", "*", CHIEF, HEADS)
    name("unit_head", "*", CHIEF, HEADS)
    name("operator", "*", PROGRAMME_LEAD, DEPUTIES + 3)
    name("measurer", "*", LEARNING_HEAD, PROGRAMME_LEAD)
    name("ld_head", "*", LEARNING_HEAD, PROGRAMME_LEAD)
    name("program_lead", "*", PROGRAMME_LEAD, DEPUTIES + 3)
    name("manager_rep", "*", representatives[0], representatives[1])
    name("operations_head", "*", HEADS, DEPUTIES)
    name("finance", "*", HEADS + 3, DEPUTIES + 3)
    name("people_head", "*", PEOPLE_CHIEF, LEARNING_HEAD)
    name("compliance_owner", "*", COUNSEL, PEOPLE_CHIEF)
    name("elt_member", "*", CHIEF, HEADS)
    for d in range(len(content.DIVISIONS)):
        name("elt_member", "*", HEADS + d, DEPUTIES + d)
    name("elt_member", "*", PEOPLE_CHIEF, LEARNING_HEAD)
    name("elt_member", "*", COUNSEL, PEOPLE_CHIEF)
    units = organisation.units
    gone = _leaver_late(organisation)
    for d in range(len(content.DIVISIONS)):
        inside = [p for p in others if units[int(organisation.start["unit"][p])].division == d]
        members = [p for p in inside if organisation.start["level"][p] == 0]
        members += [DEPUTIES + d] * (2 - len(members))
        operator, measurer = members[:2]
        if d == content.LATE and gone != UNSET:
            measurer = gone
        code = units[1 + d].code
        name("sponsor", code, HEADS + d, DEPUTIES + d)
        name("unit_head", code, HEADS + d, DEPUTIES + d)
        for role, person in (("operator", operator), ("measurer", measurer)):
            name(role, code, person, DEPUTIES + (d if person != DEPUTIES + d else (d + 1) % 4))
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
    """The registry of messages, each for everybody and approved by the executive sponsor."""
    return [
        {
            "message_id": message.message_id,
            "core_sentence": message.core_sentence,
            "audience_org_unit_id": "*",
            "approver_person_id": str(organisation.people["person_id"][CHIEF]),
            "issued_on": message.issued_on,
            "expires_on": message.expires_on,
            "occasion": message.occasion,
            "business_reason": message.business_reason,
            "ask": message.ask,
            "ask_by": message.issued_on + timedelta(days=message.ask_days),
            "link": LINK,
            "minutes": message.minutes,
            "helper": message.helper,
            "objection": message.objection,
            "answer": message.answer,
        }
        for message in messages(organisation.parameters)
    ]


__all__ = ["METRICS", "lead", "message_rows"]
