"""Early warnings of an organisation of four divisions, worked out by hand, through the dbt build.

Three people in each division and two above it, all eligible: fourteen heads. The programme started
for the whole on Monday 2026-03-02; for `corp` it starts in September.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.periods import Period
from tests.warehouse.small_lake import SmallLake

DIVISIONS = ("make", "ship", "sell", "corp")
MANAGERS = ("chief", *(who for d in DIVISIONS for who in (f"head-{d}", f"lead-{d}-1")))


def _people() -> list[dict[str, Any]]:
    """A head, a team lead and one more in each division; the chief and the head of learning."""
    rows: list[dict[str, Any]] = [
        {"person_id": "chief", "org_unit_id": "all", "leader_level": "elt"},
        {"person_id": "learning", "org_unit_id": "corp", "leader_level": "senior"},
    ]
    for division in DIVISIONS:
        team = f"{division}-1"
        rows.append({"person_id": f"head-{division}", "org_unit_id": division})
        rows[-1] |= {"leader_level": "elt", "manager_id": "chief"}
        rows.append({"person_id": f"lead-{team}", "org_unit_id": team})
        rows[-1] |= {"leader_level": "manager", "manager_id": f"head-{division}"}
        rows.append({"person_id": f"one-{team}", "org_unit_id": team})
        rows[-1] |= {"manager_id": f"lead-{team}"}
    for row in rows:
        row |= {"full_name": row["person_id"].title(), "hired_on": "2020-01-01"}
        row |= {"employment_type": "employee"}
    return rows


def _units() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"org_unit_id": "all", "sponsor_person_id": "chief"}]
    for division in DIVISIONS:
        rows.append({"org_unit_id": division, "parent_org_unit_id": "all"})
        rows[-1] |= {"sponsor_person_id": f"head-{division}"}
        rows.append({"org_unit_id": f"{division}-1", "parent_org_unit_id": division})
        # the head of a team is in the records, and no sponsor of the programme
        rows[-1] |= {"sponsor_person_id": f"lead-{division}-1"}
    return [{**row, "name": row["org_unit_id"].upper()} for row in rows]


def _programme() -> list[dict[str, Any]]:
    return [
        {"org_unit_id": unit, "launch_on": launch, "valid_from": "2026-01-01"}
        for unit, launch in (("*", "2026-03-02"), ("ship", "2026-03-02"), ("corp", "2026-09-01"))
    ]


def _action(number: int, person: str, day: str, kind: str = "email", **more: Any) -> dict[str, Any]:
    return {
        "action_id": f"a{number:02d}",
        "person_id": person,
        "kind": kind,
        "happened_on": day,
        **more,
    }


def _weekly(first: int, person: str, start: str, weeks: int, **more: Any) -> list[dict[str, Any]]:
    """One email a week, numbered from ``first``."""
    begin = date.fromisoformat(start)
    return [
        _action(first + n, person, str(begin + timedelta(weeks=n)), **more) for n in range(weeks)
    ]


def _cascade(first: int, message: str, day: str, managers: Sequence[str]) -> list[dict[str, Any]]:
    """Managers confirm on one day that they passed a message on."""
    return [
        _action(first + n, person, day, "manager_cascade", message_id=message)
        for n, person in enumerate(managers)
    ]


def _organisation(home: Path, actions: list[dict[str, Any]]) -> SmallLake:
    small = SmallLake(home)
    small.versions("org_units", _units())
    small.versions("people", _people())
    small.events("leader_actions", "2026-06-15", actions)
    small.seed("programme", _programme())
    return small


def _build(small: SmallLake, *periods: Period) -> None:
    small.build(
        *periods,
        command=(
            *("build", "--exclude-resource-type", "unit_test", "--indirect-selection", "cautious"),
            *("--select", "+early_warning_evidence__week", "+early_warning_evidence__month"),
        ),
    )


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        float(v) if isinstance(v, Decimal) else str(v) if isinstance(v, date) else v for v in row
    )


def _warnings(small: SmallLake, period: Period) -> set[tuple[Any, ...]]:
    """warning, unit, person, message, measured, threshold, since"""
    rows = small.query(
        "SELECT warning_id, org_unit_id, person_id, message_id, measured, threshold, since_on "
        f"FROM early_warnings__{period.grain} WHERE period_start = '{period.start}'"
    )
    assert len(rows) == len(set(rows))
    return {_plain(row) for row in rows}


def _evidence(small: SmallLake, period: Period, warning: str) -> set[tuple[Any, ...]]:
    """unit, kind, id, day, note"""
    rows = small.query(
        "SELECT org_unit_id, evidence_kind, evidence_id, evidence_on, note "
        f"FROM early_warning_evidence__{period.grain} "
        f"WHERE period_start = '{period.start}' AND warning_id = '{warning}'"
    )
    return {_plain(row) for row in rows}


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """Each kind of trouble in its weeks, from the middle of May to the middle of June."""
    small = _organisation(
        tmp_path_factory.mktemp("troubled"),
        [
            *_weekly(100, "chief", "2026-03-04", 15, audience_org_unit_id="all"),
            *_weekly(200, "head-make", "2026-03-05", 15),
            *_weekly(300, "head-sell", "2026-03-06", 15, kind="learner_recognised"),
            # the sponsor of ship is heard last on Monday 4 May; approvals are not heard
            *_weekly(400, "head-ship", "2026-03-02", 10),
            _action(500, "head-ship", "2026-05-20", "budget_approval"),
            # an action for others does not reach ship
            _action(501, "head-ship", "2026-06-03", "town_hall", audience_org_unit_id="make"),
            # seven of nine managers in time, in ship none of two
            *_cascade(600, "m-long", "2026-04-30", [m for m in MANAGERS if "ship" not in m]),
            *_cascade(700, "m-long", "2026-05-01", ["lead-ship-1"]),
        ],
    )
    people = _people()
    for row in people:
        if row["person_id"] == "head-ship":  # the whole third week of May away
            row |= {"leave_from": "2026-05-18", "leave_to": "2026-05-24"}
    small.versions("people", people)
    small.seed(
        "messages",
        [
            {
                "message_id": message,
                "core_sentence": f"Sentence of {message}.",
                "audience_org_unit_id": audience,
                "issued_on": issued,
                "expires_on": expires,
            }
            for message, audience, issued, expires in (
                ("m-long", "*", "2026-04-20", "2026-06-30"),
                ("m-next", "*", "2026-06-09", "2026-07-08"),
                ("m-sell", "sell", "2026-06-01", "2026-06-30"),
                ("m-gone", "make", "2026-03-16", "2026-04-14"),
            )
        ],
    )
    small.versions(
        "courses",
        [
            {
                "course_id": course,
                "title": course.upper(),
                "is_mandatory": mandatory,
                "published_on": published,
                "duration_minutes": minutes,
            }
            for course, mandatory, published, minutes in (
                ("rules", True, "2026-05-20", 30),
                ("tools", True, "2026-06-08", 600),
                ("hobby", False, "2026-06-08", 600),
                ("unused", True, "2026-06-08", 600),  # nobody is enrolled yet
            )
        ],
    )
    small.versions(
        "enrolments",
        [
            {
                "enrolment_id": f"e{n}",
                "person_id": person,
                "course_id": course,
                "enrolled_at": f"{enrolled} 09:00:00Z",
                "due_at": f"{due} 12:00:00Z",
                "completed_at": done and f"{done} 12:00:00Z",
                "status": "open",
            }
            for n, (person, course, enrolled, due, done) in enumerate(
                [
                    ("one-make-1", "rules", "2026-05-20", "2026-05-25", "2026-05-22"),
                    ("one-make-1", "tools", "2026-06-08", "2026-07-05", None),
                    ("one-ship-1", "tools", "2026-06-08", "2026-07-05", None),
                    ("lead-ship-1", "tools", "2026-06-08", "2026-07-14", None),
                    ("head-ship", "tools", "2026-06-08", "2026-07-05", "2026-06-10"),
                    ("head-ship", "tools", "2026-06-08", "2026-07-15", None),  # in 31 days
                    ("one-ship-1", "hobby", "2026-06-08", "2026-07-05", None),
                ]
            )
        ],
    )
    small.versions(
        "initiatives",
        [
            {
                "initiative_id": initiative,
                "kind": kind,
                "title": initiative.title(),
                "org_unit_id": unit,
                "starts_on": starts,
                "ends_on": ends,
            }
            for initiative, kind, unit, starts, ends in (
                ("move", "competing_work", "ship", "2026-05-01", "2026-05-10"),
                ("stock-take", "competing_work", "make-1", "2026-06-01", "2026-06-30"),
                ("fair", "campaign", "all", "2026-06-01", "2026-06-30"),
            )
        ],
    )
    _build(
        small, *(Period.parse(f"2026-W{week}") for week in (22, 23, 24)), Period.parse("2026-06")
    )
    return small


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        (
            "2026-W22",  # to 31 May: two weeks of silence beside one of leave
            {
                ("competing_initiative", "ship", None, None, 1.0, 1.0, "2026-05-01"),
                ("weak_cascade", "ship", None, "m-long", 0.0, 70.0, "2026-04-30"),
            },
        ),
        (
            "2026-W23",  # to 7 June: 28 days after the competing work; the sentence is 48 days old
            {
                ("competing_initiative", "ship", None, None, 1.0, 1.0, "2026-05-01"),
                ("weak_cascade", "ship", None, "m-long", 0.0, 70.0, "2026-04-30"),
                ("sponsor_silent_3", "ship", "head-ship", None, 3.0, 3.0, "2026-05-11"),
                ("old_message", "all", None, "m-long", 48.0, 45.0, "2026-06-05"),
                ("two_messages", "sell", None, "m-sell", 2.0, 2.0, "2026-06-01"),
            },
        ),
        (
            "2026-W24",  # to 14 June: 20 hours of three heads in ship, 30 of fourteen in all
            {
                ("weak_cascade", "ship", None, "m-long", 0.0, 70.0, "2026-04-30"),
                ("sponsor_silent_4", "ship", "head-ship", None, 4.0, 4.0, "2026-05-11"),
                ("two_messages", "all", None, "m-next", 2.0, 2.0, "2026-06-09"),
                ("mandatory_launches", "all", None, None, 2.0, 2.0, "2026-06-08"),
                # on the days before, 10 of its hours were done or not yet due in 30 days
                ("mandatory_hours", "ship", None, None, 6.6667, 4.0, "2026-06-14"),
            },
        ),
    ],
)
def test_warnings_of_a_week(
    troubled: SmallLake, period: str, expected: set[tuple[Any, ...]]
) -> None:
    assert _warnings(troubled, Period.parse(period)) == expected


def test_a_silence_counts_as_far_as_leaders_records_go(troubled: SmallLake) -> None:
    """June ends a fortnight after the last delivery: no week after it is silent."""
    silent = [w for w in _warnings(troubled, Period.parse("2026-06")) if "silent" in w[0]]
    assert silent == [("sponsor_silent_4", "ship", "head-ship", None, 4.0, 4.0, "2026-05-11")]


def test_each_warning_shows_what_it_stands_on(troubled: SmallLake) -> None:
    week = Period.parse("2026-W24")
    assert _evidence(troubled, week, "mandatory_launches") == {
        ("all", "course", "rules", "2026-05-20", "RULES"),
        ("all", "course", "tools", "2026-06-08", "TOOLS"),
    }
    assert _evidence(troubled, week, "mandatory_hours") == {
        ("ship", "course", "tools", "2026-07-05", "TOOLS"),  # three heads: their hours stay unsaid
    }
    assert _evidence(troubled, week, "two_messages") == {
        ("all", "message", "m-long", "2026-04-20", "Sentence of m-long."),
        ("all", "message", "m-next", "2026-06-09", "Sentence of m-next."),
    }
    assert _evidence(troubled, week, "weak_cascade") == {
        ("ship", "message", "m-long", "2026-04-20", "Sentence of m-long."),
    }
    assert _evidence(troubled, week, "sponsor_silent_4") == {
        ("ship", "leader_action", "a409", "2026-05-04", "the last one on record"),
    }
    before = Period.parse("2026-W23")
    assert _evidence(troubled, before, "competing_initiative") == {
        ("ship", "initiative", "move", "2026-05-01", "Move"),
    }
    assert _evidence(troubled, before, "old_message") == {
        ("all", "message", "m-long", "2026-04-20", "Sentence of m-long."),
    }


def test_an_entry_of_the_action_log_keeps_its_id_and_gets_a_date(troubled: SmallLake) -> None:
    rows = troubled.query(
        "SELECT DISTINCT entry_id, pain_point, owner_role, due_on FROM early_warnings__week "
        "WHERE warning_id = 'competing_initiative' ORDER BY due_on"
    )
    assert [_plain(row) for row in rows] == [
        ("competing_initiative/ship/2026-05-01", "competing_priorities", "operations_head", due)
        for due in ("2026-06-05", "2026-06-12")  # five days after the week's end
    ]


def test_a_launch_that_one_function_carries_alone(tmp_path: Path) -> None:
    """From 18 May only corporate people act for all; make and sell are led by their own line."""
    small = _organisation(
        tmp_path,
        [
            _action(1, "chief", "2026-03-04"),
            *_weekly(100, "learning", "2026-03-05", 15, audience_org_unit_id="*"),
            _action(200, "head-ship", "2026-05-12"),
            *_weekly(300, "head-make", "2026-05-19", 4, audience_org_unit_id="make-1"),
        ],
    )
    small.versions(
        "org_units",
        # no other sponsor than the chief, so that only this warning is left to see
        [{**row, "sponsor_person_id": None} for row in _units()],
    )
    _build(small, *(Period.parse(f"2026-W{week}") for week in (23, 24)))
    assert _warnings(small, Period.parse("2026-W23")) == set()
    week = Period.parse("2026-W24")
    assert _warnings(small, week) == {
        ("one_function", "ship", None, None, 4.0, 4.0, "2026-05-18"),
    }
    assert _evidence(small, week, "one_function") == {
        ("ship", "org_unit", "corp", "2026-05-21", "the one function that acts"),
        ("ship", "leader_action", "a111", "2026-05-21", "email"),
        ("ship", "leader_action", "a112", "2026-05-28", "email"),
        ("ship", "leader_action", "a113", "2026-06-04", "email"),
        ("ship", "leader_action", "a114", "2026-06-11", "email"),
    }


def test_an_ordinary_organisation_has_no_warning(tmp_path: Path) -> None:
    """Sponsors act every other week, managers pass messages on, and these come to their end."""
    small = _organisation(
        tmp_path,
        [
            action
            for n, person in enumerate(("chief", "head-make", "head-ship", "head-sell", "learning"))
            for action in _weekly(100 * n, person, f"2026-03-{9 + n:02d}", 14)[::2]
        ]
        # seven of nine, the others a day too late
        + _cascade(600, "m1", "2026-03-26", MANAGERS[2:])
        + _cascade(700, "m1", "2026-03-27", MANAGERS[:2])
        + _cascade(800, "m2", "2026-04-16", MANAGERS),
    )
    small.seed(
        "messages",
        [
            {
                "message_id": message,
                "core_sentence": "One sentence.",
                "audience_org_unit_id": "*",
                "issued_on": issued,
                "expires_on": expires,
            }
            for message, issued, expires in (
                ("m1", "2026-03-16", "2026-04-14"),
                ("m2", "2026-04-15", "2026-05-14"),
            )
        ],
    )
    weeks = [Period.parse(f"2026-W{week}") for week in range(10, 25)]
    _build(small, *weeks)
    for week in weeks:
        assert _warnings(small, week) == set()
