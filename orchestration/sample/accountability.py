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
from orchestration.sample.learning import COURSE, day_of, published_day
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
_FUNCTION_DAYS, _FUNCTION_WEEKS = 84, 4
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
        "warnings": list(warnings_on(organisation, to_day(parameters.last_day))),
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


def warnings_on(organisation: Organisation, day: int) -> Iterator[dict[str, Any]]:
    """Every early warning that the charter's thresholds call for at the end of a day.

    Each names its ``pain_point``, ``warning_ids``, ``org_unit_id`` and ``since_on``, and who or
    what it is about. Weeks are whole weeks from Monday; what is said of a unit is not said again
    of those beneath it.
    """
    yield from _silent(organisation, day)
    yield from _unclear(organisation, day)
    yield from _one_function(organisation, day)
    yield from _competing(organisation, day)


def _warning(
    pain_point: str, names: list[str], unit: str, since: int, **about: Any
) -> dict[str, Any]:
    return {
        "pain_point": pain_point,
        "warning_ids": names,
        "org_unit_id": unit,
        "since_on": to_date(since).isoformat(),
        **about,
    }


def _whole_weeks(monday: int, day: int) -> int:
    """Whole weeks from a Monday to the last Sunday of the days up to ``day``."""
    return (day - (day + 4) % 7 + 1 - monday) // 7


def _silent(organisation: Organisation, day: int) -> Iterator[dict[str, Any]]:
    for person, unit in sponsors():
        launch = to_day(launch_of(organisation, unit))
        days = _visible_days(organisation, person, unit)
        since = max(launch, int(days[days <= day].max(initial=launch - 1)) + 1)
        monday = since + (-since - 3) % 7
        weeks = [n for n in _SILENT_WEEKS if _whole_weeks(monday, day) >= n]
        if weeks:
            yield _warning(
                "no_visible_sponsor",
                [f"sponsor_silent_{n}" for n in weeks],
                organisation.units[unit].code,
                monday,
                person_id=_person(organisation, person),
            )


def _unclear(organisation: Organisation, day: int) -> Iterator[dict[str, Any]]:
    live = [m for m in messages(organisation.parameters) if m.live_on(to_date(day))]
    if not live:
        return
    newest, units = live[-1], organisation.units
    issued = to_day(newest.issued_on)

    def warning(name: str, unit: str, since: int) -> dict[str, Any]:
        about = newest.message_id
        return _warning("inconsistent_messaging", [name], unit, since, message_id=about)

    if len(live) > 1:
        yield warning("two_messages", units[0].code, to_day(live[1].issued_on))
    if day - issued > _OLDEST_DAYS:
        yield warning("old_message", units[0].code, issued + _OLDEST_DAYS + 1)
    if day >= issued + WINDOW_DAYS:  # at the end of that day, the window is over
        reach = _cascade(organisation, newest)
        for _, unit in sponsors():
            counts = reach[units[unit].code]
            if counts["in_window"] < _LEAST_REACH * counts["managers"] and (
                to_day(launch_of(organisation, unit)) <= day
            ):
                yield warning("weak_cascade", units[unit].code, issued + WINDOW_DAYS)
                if unit == 0:
                    return


def _one_function(organisation: Organisation, day: int) -> Iterator[dict[str, Any]]:
    """All actions of four weeks come from one division; the top belongs to none."""
    actions, launch = organisation.actions, to_day(organisation.parameters.launch_on)
    divisions = np.array([unit.division for unit in organisation.units])
    acting: list[tuple[int, int]] = []
    for on in range(day - _FUNCTION_DAYS, day + 1):
        people = actions["person"][actions["day"] == on]
        if len(people):
            functions = divisions[organisation.state_at(on).unit[people]]
            acting += [(on, function) for function in np.unique(functions).tolist()]
    if not acting or acting[-1][1] == UNSET:
        return
    alone = acting[-1][1]
    others = [on for on, function in acting if function != alone]
    since = max(launch, max(others, default=day - _FUNCTION_DAYS) + 1)
    monday = since + (-since - 3) % 7
    if _whole_weeks(monday, day) >= _FUNCTION_WEEKS:
        yield _warning(
            "delegated_to_one_function",
            ["one_function"],
            organisation.units[0].code,
            monday,
            function=content.DIVISIONS[alone].code,
        )


def _competing(organisation: Organisation, day: int) -> Iterator[dict[str, Any]]:
    for initiative in organisation.initiatives:
        starts, ends = initiative["starts_on"], initiative["ends_on"]
        if initiative["kind"] == "competing_work" and starts <= day < ends + _RECENT_DAYS:
            launch = to_day(organisation.parameters.launch_on)
            yield _warning(
                "competing_priorities",
                ["competing_initiative"],
                initiative["org_unit_id"],
                max(starts, launch),
                initiative_id=initiative["initiative_id"],
            )
    if not organisation.parameters.effects.mandatory_launches:
        return
    launched = [course.code for course in content.COURSES if course.launched is not None]
    published = sorted(published_day(organisation, code) for code in launched)
    if published[1] <= day < published[0] + _RECENT_DAYS:
        root = organisation.units[0].code
        yield _warning(
            "competing_priorities", ["mandatory_launches"], root, published[1], courses=launched
        )
    table = organisation.enrolments
    rows = np.isin(table["course"], [COURSE[code] for code in launched])
    since = int((table["due"][rows] - _RECENT_DAYS).min(initial=NEVER))
    if since <= day:
        unit = content.DIVISIONS[content.COMPETING].code
        yield _warning("competing_priorities", ["mandatory_hours"], unit, since, courses=launched)


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
