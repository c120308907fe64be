"""The snapshot feeds as known at the end of a day, in the contract's columns.

Days and local seconds stay numbers here; ``files`` writes them as the exporting systems do, and
``tables`` as the lake holds them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestration.sample import content
from orchestration.sample.learning import (
    END_OF_DAY,
    day_of,
    published_day,
    retired_day,
    review_due,
)
from orchestration.sample.organisation import DAY_SECONDS, NEVER, UNSET, Organisation, Table

Row = dict[str, Any]

ANNOUNCED_DAYS = 10
"""Joiners are in the HR system so many days before they start."""
_LEAVING_KNOWN, _LEAVE_KNOWN, _RETIRING_KNOWN, _INITIATIVE_KNOWN = 30, 14, 60, 60


def people_at(organisation: Organisation, day: int) -> Table:
    """Everybody known on a day. NEVER: no such date; an empty manager: none."""
    people, state = organisation.people, organisation.state_at(day)
    rows = np.flatnonzero(people["hired"] <= day + ANNOUNCED_DAYS)
    ids = np.append(people["person_id"], "")
    on_leave = people["leave_from"] <= day + _LEAVE_KNOWN
    ends = on_leave & (people["leave_planned"] | (people["leave_to"] <= day))
    known_left = np.where(people["left"] <= day + _LEAVING_KNOWN, people["left"], NEVER)
    units = np.array([unit.code for unit in organisation.units])
    columns = {
        "person_id": people["person_id"],
        "full_name": people["name"],
        "email": people["email"],
        "manager_id": ids[state.manager],
        "org_unit_id": units[state.unit],
        "job_role": np.array(content.ROLES)[state.role],
        "leader_level": np.array(content.LEVELS)[state.level],
        "employment_type": np.where(people["contractor"], "contractor", "employee"),
        "location": np.array(content.SITES)[people["site"]],
        "hired_on": people["hired"],
        "role_started_on": state.role_started,
        "left_on": known_left,
        "leave_from": np.where(on_leave, people["leave_from"], NEVER),
        "leave_to": np.where(ends, people["leave_to"], NEVER),
    }
    return {name: column[rows] for name, column in columns.items()}


def org_units_at(organisation: Organisation) -> list[Row]:
    """Every unit. The root and the divisions have a sponsor; a team's is its division's."""
    units, number = organisation.units, organisation.people["person_id"]
    return [
        {
            "org_unit_id": unit.code,
            "name": unit.name,
            "parent_org_unit_id": units[unit.parent].code if unit.parent >= 0 else None,
            "sponsor_person_id": str(number[unit.sponsor])
            if unit.sponsor != UNSET and unit.depth < 2
            else None,
        }
        for unit in units
    ]


def courses_at(organisation: Organisation, day: int) -> list[Row]:
    """The catalogue on a day."""
    number = organisation.people["person_id"]
    rows: list[Row] = []
    for position, course in enumerate(content.COURSES):
        published = published_day(organisation, course.code)
        if published > day:
            continue
        retired = retired_day(organisation, course.code)
        rows.append(
            {
                "course_id": course.code,
                "title": course.title,
                "category": course.category,
                "competency_id": course.competency,
                "is_flagship": course.flagship,
                "is_mandatory": course.mandatory,
                "owner_person_id": str(number[9 + position % 4]),
                "approved_by_person_id": str(number[6 if course.mandatory else 7]),
                "published_on": published,
                "review_due_on": review_due(organisation, course.code, day),
                "retired_on": retired if retired <= day + _RETIRING_KNOWN else NEVER,
                "duration_minutes": course.minutes,
            }
        )
    return rows


def enrolments_at(organisation: Organisation, day: int) -> Table:
    """Enrolments on a day: their row in the organisation's table and what changes with time.

    row; extended (whether the later due date is in force); started and completed (whether they
    have); status. ``due_at`` gives the due moment.
    """
    table = organisation.enrolments
    rows = np.flatnonzero(day_of(table["enrolled"]) <= day)
    tail = day * DAY_SECONDS + DAY_SECONDS
    started = (table["started"][rows] >= 0) & (table["started"][rows] < tail)
    completed = (table["completed"][rows] >= 0) & (table["completed"][rows] < tail)
    cancelled = (table["cancelled_on"][rows] <= day) & ~completed
    status = np.select(
        [completed, cancelled, started], ["completed", "cancelled", "in_progress"], "enrolled"
    )
    extended = table["extended_on"][rows] <= day
    due = np.where(extended, table["extended_due"][rows], table["due"][rows])
    return {
        "row": rows,
        "extended": extended,
        "due_at": np.where(due < 0, UNSET, due * DAY_SECONDS + END_OF_DAY),
        "started": started,
        "completed": completed,
        "status": status,
    }


def enrolment_id(row: int) -> str:
    """The id of an enrolment by its row in the organisation's table."""
    return f"N{row + 1:07d}"


def initiatives_at(organisation: Organisation, day: int) -> list[Row]:
    """What the programme office knows of on a day: all that starts within sixty days."""
    return [row for row in organisation.initiatives if row["starts_on"] <= day + _INITIATIVE_KNOWN]


def decisions_at(organisation: Organisation, day: int) -> list[Row]:
    """The decision and action log on a day: nothing that lies ahead is in it."""
    number = organisation.people["person_id"]
    units = [unit.code for unit in organisation.units]

    def person(who: int) -> str | None:
        return None if who == UNSET else str(number[who])

    def passed(when: int) -> int:
        return when if when <= day else NEVER

    return [
        {
            "entry_id": entry.entry_id,
            "kind": entry.kind,
            "title": entry.title,
            "right_id": entry.right or None,
            "org_unit_id": None if entry.unit == UNSET else units[entry.unit],
            "owner_person_id": person(entry.owner),
            "owner_role": entry.owner_role,
            "proposed_by_person_id": person(entry.proposed_by),
            "asked_on": entry.asked_on,
            "asked_in": entry.asked_in or None,
            "due_on": entry.due_on(day),
            "amount": entry.amount,
            "decided_on": passed(entry.decided_on),
            "decided_by_person_id": person(entry.decided_by) if entry.decided_on <= day else None,
            "outcome": entry.outcome
            if entry.outcome and min(entry.decided_on, entry.closed_on) <= day
            else None,
            "closed_on": passed(entry.closed_on),
            "source": entry.source,
            "warning_id": None,
            "if_not_taken": entry.if_not_taken or None,
        }
        for entry in organisation.log
        if entry.asked_on <= day
    ]
