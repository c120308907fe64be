"""What is true of the leaders in a sample: visibility, promises, decisions, cascades, warnings.

Computed from the latent state alone, by the design's definitions, as known at a period's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from orchestration.periods import Grain, Period, periods_between
from orchestration.sample import content
from orchestration.sample.actions import (
    CASCADE,
    WINDOW_DAYS,
    launch_of,
    managers_on,
    sponsors,
)
from orchestration.sample.decisions import COMMITMENT, DECISION, Entry
from orchestration.sample.learning import day_of
from orchestration.sample.messages import Message, messages
from orchestration.sample.organisation import (
    NEVER,
    UNSET,
    Column,
    Organisation,
    to_date,
    to_day,
)
from orchestration.sample.reviews import monthly_reviews
from orchestration.sample.workforce import ELT

WEEKS = 13
_SILENT_WEEKS = (3, 4, 6)
_OLDEST_DAYS = 45
_LEAST_REACH = 0.7
_FUNCTION_DAYS = 28
_RECENT_DAYS = 30


def accountability(organisation: Organisation) -> dict[str, Any]:
    """Everything that is true of the leaders, as plain values.

    visible_weeks: unit -> period -> [weeks its sponsor was seen or heard in, weeks counted].
    commitments, decision_waits: period -> person -> [on time, due]; days from asking to decision
    of the decisions taken in the period.
    flagship: period -> [executives through the flagship course, executives].
    reviews: monthly review -> [decisions taken by the end, decisions asked for].
    cascade: message -> unit -> managers at its issue, those who confirmed, those in time.
    warnings: what an early warning must find at the end, with who and since when.
    log: every entry as finally known; log_faults: which of them a review must find.
    """
    parameters = organisation.parameters
    return {
        "visible_weeks": {
            organisation.units[unit].code: {
                period.id: _visible_weeks(organisation, person, unit, period)
                for period in _periods(organisation)
            }
            for person, unit in sponsors()
        },
        "commitments": {
            period.id: _commitments(organisation, period) for period in _periods(organisation)
        },
        "decision_waits": {
            period.id: _waits(organisation, period) for period in _periods(organisation)
        },
        "flagship": {
            period.id: _flagship(organisation, period) for period in _periods(organisation)
        },
        "reviews": {
            review.period.id: _asked(organisation, review.period.id)
            for review in monthly_reviews(parameters)
        },
        "cascade": {
            message.message_id: _cascade(organisation, message) for message in messages(parameters)
        },
        "plans": {
            organisation.units[unit].code: {
                "launch_on": launch_of(organisation, unit).isoformat(),
                "day": (parameters.last_day - launch_of(organisation, unit)).days,
            }
            for _, unit in sponsors()
        },
        "warnings": list(warnings_at_end(organisation)),
        "log": [_entry(organisation, entry) for entry in organisation.log],
        "log_faults": _log_faults(organisation),
        "decommission": {
            "unused": [c.code for c in content.COURSES if c.title.startswith("The Stock System")],
            "failing": [c.code for c in content.COURSES if c.finish < 0.5],
            "past_review": [c.code for c in content.COURSES if c.review_missed],
        },
    }


def _periods(organisation: Organisation) -> list[Period]:
    first, last = organisation.parameters.first_day, organisation.parameters.last_day
    return [
        period
        for grain in (Grain.MONTH, Grain.QUARTER)
        for period in periods_between(grain, first, last)
        if period.start >= first and period.end <= last
    ]


def _person(organisation: Organisation, who: int) -> str:
    return str(organisation.people["person_id"][who])


def _visible_days(organisation: Organisation, person: int, unit: int) -> Column:
    """Days with an action in their own voice or in person that reaches the unit."""
    actions, units = organisation.actions, organisation.units
    above = {unit}
    while units[min(above)].parent != UNSET:
        above.add(units[min(above)].parent)
    seen = (actions["person"] == person) & np.isin(actions["unit"], sorted(above))
    seen &= np.isin(actions["kind"], sorted(content.VISIBLE_KINDS))
    days: Column = np.unique(actions["day"][seen])
    return days


def _visible_weeks(organisation: Organisation, person: int, unit: int, period: Period) -> list[int]:
    """Of the thirteen whole weeks up to the period's end, those since the roles were given."""
    last = to_day(period.end)
    sunday = last - (last + 4) % 7
    mondays = [sunday - 7 * n - 6 for n in range(WEEKS)]
    since = to_day(organisation.parameters.first_day) - 1
    counted = [monday for monday in mondays if monday + 6 >= since]
    days = _visible_days(organisation, person, unit)
    heard = {int(day - (day + 3) % 7) for day in days}
    return [len(heard & set(counted)), len(counted)]


def _commitments(organisation: Organisation, period: Period) -> dict[str, list[int]]:
    """By owner; a moved date does not help."""
    found: dict[str, list[int]] = {}
    for entry in organisation.log:
        if entry.kind == COMMITMENT and _inside(entry.due, period):
            counts = found.setdefault(_person(organisation, entry.owner), [0, 0])
            counts[0] += entry.closed_on <= entry.due
            counts[1] += 1
    return found


def _waits(organisation: Organisation, period: Period) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for entry in organisation.log:
        if entry.kind == DECISION and _inside(entry.decided_on, period):
            waits = found.setdefault(_person(organisation, entry.owner), [])
            waits.append(entry.decided_on - entry.asked_on)
    return {person: sorted(waits) for person, waits in found.items()}


def _flagship(organisation: Organisation, period: Period) -> list[int]:
    """Of the executive team, whose members stay for all months."""
    table = organisation.enrolments
    flagship = np.array([course.flagship for course in content.COURSES])[table["course"]]
    done = flagship & (table["completed"] >= 0) & (day_of(table["completed"]) <= to_day(period.end))
    return [int(np.isin(np.array(ELT), table["person"][done]).sum()), len(ELT)]


def _asked(organisation: Organisation, period_id: str) -> list[int]:
    last = to_day(organisation.parameters.last_day)
    asked = [e for e in organisation.log if e.kind == DECISION and e.asked_in == period_id]
    return [sum(entry.decided_on <= last for entry in asked), len(asked)]


def _inside(day: int, period: Period) -> bool:
    return to_day(period.start) <= day <= to_day(period.end)


def _beneath(organisation: Organisation) -> Iterator[tuple[int, list[int]]]:
    """Each unit with the units of its subtree, itself included."""
    units = organisation.units
    within: list[list[int]] = [[number] for number in range(len(units))]
    for number in range(len(units) - 1, 0, -1):  # parents stand before their children
        within[units[number].parent] += within[number]
    yield from enumerate(within)


def _cascade(organisation: Organisation, message: Message) -> dict[str, dict[str, int]]:
    issued = to_day(message.issued_on)
    managers = managers_on(organisation, issued)
    unit = organisation.state_at(issued).unit[managers]
    actions = organisation.actions
    passed = (actions["message"] == message.message_id) & (actions["kind"] == CASCADE)
    confirmed = np.isin(managers, actions["person"][passed])
    in_time = passed & (actions["day"] <= issued + WINDOW_DAYS)
    in_window = np.isin(managers, actions["person"][in_time])
    found: dict[str, dict[str, int]] = {}
    for number, beneath in _beneath(organisation):
        here = np.isin(unit, beneath)
        if here.any():
            found[organisation.units[number].code] = {
                "managers": int(here.sum()),
                "confirmed": int((here & confirmed).sum()),
                "in_window": int((here & in_window).sum()),
            }
    return found


def warnings_at_end(organisation: Organisation) -> Iterator[dict[str, Any]]:
    """Every early warning that the charter's thresholds call for on the last day.

    Each names its ``pain_point``, ``warning_ids``, ``org_unit_id`` and ``since_on``, and who or
    what it is about.
    """
    yield from _silent(organisation)
    yield from _unclear(organisation)
    yield from _one_function(organisation)
    yield from _competing(organisation)


def _silent(organisation: Organisation) -> Iterator[dict[str, Any]]:
    last = to_day(organisation.parameters.last_day)
    for person, unit in sponsors():
        launch = to_day(launch_of(organisation, unit))
        days = _visible_days(organisation, person, unit)
        since = max(launch, int(days.max(initial=launch - 1)) + 1)
        weeks = [n for n in _SILENT_WEEKS if last - since + 1 >= 7 * n]
        if weeks:
            yield {
                "pain_point": "no_visible_sponsor",
                "warning_ids": [f"sponsor_silent_{n}" for n in weeks],
                "org_unit_id": organisation.units[unit].code,
                "person_id": _person(organisation, person),
                "since_on": to_date(since).isoformat(),
                "first_silent_week_on": to_date(since + (-since - 3) % 7).isoformat(),
            }


def _unclear(organisation: Organisation) -> Iterator[dict[str, Any]]:
    last = organisation.parameters.last_day
    live = [message for message in messages(organisation.parameters) if message.live_on(last)]
    root = organisation.units[0].code

    def warning(name: str, unit: str, message: Message, since: int) -> dict[str, Any]:
        return {
            "pain_point": "inconsistent_messaging",
            "warning_ids": [name],
            "org_unit_id": unit,
            "message_id": message.message_id,
            "since_on": to_date(since).isoformat(),
        }

    if len(live) > 1:
        yield warning("two_messages", root, live[-1], to_day(live[1].issued_on))
    for message in live:
        issued = to_day(message.issued_on)
        if to_day(last) - issued > _OLDEST_DAYS:
            yield warning("old_message", root, message, issued + _OLDEST_DAYS + 1)
        if to_day(last) >= issued + WINDOW_DAYS:  # at the end of the day, the window is over
            for unit, reach in _cascade(organisation, message).items():
                if reach["in_window"] < _LEAST_REACH * reach["managers"]:
                    yield warning("weak_cascade", unit, message, issued + WINDOW_DAYS)


def _one_function(organisation: Organisation) -> Iterator[dict[str, Any]]:
    """All actions of four weeks come from one division (or from nobody but the top)."""
    actions, last = organisation.actions, to_day(organisation.parameters.last_day)
    if last - to_day(organisation.parameters.launch_on) < _FUNCTION_DAYS:
        return
    divisions = np.array([unit.division for unit in organisation.units])
    acting: list[tuple[int, int]] = []
    for day in range(last - 2 * _FUNCTION_DAYS + 1, last + 1):
        people = actions["person"][actions["day"] == day]
        if len(people):
            functions = divisions[organisation.state_at(day).unit[people]]
            acting += [(day, function) for function in np.unique(functions).tolist()]
    recent = {function for day, function in acting if day > last - _FUNCTION_DAYS}
    if len(recent) == 1:
        others = [day for day, function in acting if function not in recent]
        yield {
            "pain_point": "delegated_to_one_function",
            "warning_ids": ["one_function"],
            "org_unit_id": organisation.units[0].code,
            "function": content.DIVISIONS[recent.pop()].code,
            "since_on": to_date(max(others, default=last - 2 * _FUNCTION_DAYS) + 1).isoformat(),
        }


def _competing(organisation: Organisation) -> Iterator[dict[str, Any]]:
    last = to_day(organisation.parameters.last_day)
    for initiative in organisation.initiatives:
        starts, ends = initiative["starts_on"], initiative["ends_on"]
        if initiative["kind"] == "competing_work" and starts <= last and ends > last - _RECENT_DAYS:
            yield {
                "pain_point": "competing_priorities",
                "warning_ids": ["competing_initiative"],
                "org_unit_id": initiative["org_unit_id"],
                "initiative_id": initiative["initiative_id"],
                "since_on": to_date(starts).isoformat(),
            }
    if organisation.parameters.effects.mandatory_launches:
        launched = [course for course in content.COURSES if course.launched is not None]
        since = last - min(course.launched or 0 for course in launched)
        yield {
            "pain_point": "competing_priorities",
            "warning_ids": ["mandatory_launches", "mandatory_hours"],
            "org_unit_id": content.DIVISIONS[content.COMPETING].code,
            "course_ids": [course.code for course in launched],
            "since_on": to_date(since).isoformat(),
        }


def _entry(organisation: Organisation, entry: Entry) -> dict[str, Any]:
    def on(day: int) -> str | None:
        return None if day == NEVER else to_date(day).isoformat()

    return {
        "entry_id": entry.entry_id,
        "kind": entry.kind,
        "right_id": entry.right or None,
        "org_unit_id": None if entry.unit == UNSET else organisation.units[entry.unit].code,
        "owner_person_id": _person(organisation, entry.owner),
        "asked_in": entry.asked_in or None,
        "asked_on": on(entry.asked_on),
        "first_due_on": on(entry.due),
        "due_on": on(entry.due if entry.moved_on == NEVER else entry.moved_due),
        "decided_on": on(entry.decided_on),
        "decided_by_person_id": None
        if entry.decided_on == NEVER
        else _person(organisation, entry.decided_by),
        "closed_on": on(entry.closed_on),
    }


def _log_faults(organisation: Organisation) -> dict[str, list[str]]:
    last = to_day(organisation.parameters.last_day)
    log = organisation.log
    return {
        "decided_without_right": [
            e.entry_id for e in log if e.decided_on <= last and e.decided_by != e.owner
        ],
        "waiting": [
            e.entry_id for e in log if e.kind == DECISION and e.decided_on > last and e.due < last
        ],
        "moved": [e.entry_id for e in log if e.moved_on <= last],
    }
