"""What the stand-up, the reviews and the strategy sync list, worked out by hand for five people.

`east` has e1 (its sponsor) and e2, `west` has w2 who leads w1; mo moves from west to east on
15 April 2026. The week is that of 15 to 21 June.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from orchestration.periods import Period
from tests.warehouse.small_lake import SmallLake

COMPLETED = "http://adlnet.gov/expapi/verbs/completed"
PEOPLE = {"e1": "east", "e2": "east", "w1": "west", "w2": "west"}
LEARNED = [
    # person, course, day
    ("e1", "c1", "2025-12-30"),
    ("e1", "c8", "2026-01-01"),  # 180 days before the end of June
    ("w1", "c7", "2026-01-02"),
    ("mo", "c1", "2026-02-10"),
    ("e1", "c1", "2026-04-20"),
    ("mo", "c1", "2026-05-05"),
    ("w2", "c1", "2026-05-22"),  # 30 days before the end of the week
    ("e2", "c1", "2026-05-23"),
]
ENROLLED = [
    # person, course, enrolled, due, completed
    ("w2", "c1", "2026-05-01", None, None),
    ("e2", "c1", "2026-05-01", None, None),
    ("e1", "c1", "2026-05-01", None, "2026-06-16"),
    ("w1", "m1", "2026-05-20", "2026-06-10", None),
    ("e1", "m1", "2026-05-20", "2026-06-10", "2026-06-02"),
]


def _person(person: str, unit: str, **more: Any) -> dict[str, Any]:
    return {
        "person_id": person,
        "full_name": person.upper(),
        "org_unit_id": unit,
        "manager_id": "w2" if person == "w1" else None,
        "hired_on": "2020-01-01",
        "employment_type": "employee",
        "valid_from": "2025-12-01",
        **more,
    }


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    small = SmallLake(tmp_path_factory.mktemp("five"))
    small.versions(
        "org_units",
        [
            {"org_unit_id": unit, "name": unit, "valid_from": "2025-12-01", **more}
            for unit, more in (
                ("all", {}),
                ("east", {"parent_org_unit_id": "all", "sponsor_person_id": "e1"}),
                ("west", {"parent_org_unit_id": "all"}),
            )
        ],
    )
    small.versions(
        "people",
        [
            *(_person(person, unit) for person, unit in PEOPLE.items()),
            _person("mo", "west", valid_to="2026-04-15"),
            _person("mo", "east", valid_from="2026-04-15"),
        ],
    )
    small.versions(
        "courses",
        [
            {
                "course_id": course,
                "title": course.upper(),
                "is_mandatory": course == "m1",
                "is_flagship": course == "c1",
                "owner_person_id": "e2",
                "published_on": published,
                "valid_from": "2025-12-01",
            }
            for course, published in (
                *((f"c{n}", "2025-01-01") for n in (1, 7, 8, 9)),
                ("m1", "2026-05-01"),
            )
        ],
    )
    small.versions(
        "enrolments",
        [
            {
                "enrolment_id": f"n{number}",
                "person_id": person,
                "course_id": course,
                "enrolled_at": f"{enrolled} 09:00:00Z",
                "due_at": due and f"{due} 12:00:00Z",
                "completed_at": done and f"{done} 12:00:00Z",
                "status": "completed" if done else "enrolled",
            }
            for number, (person, course, enrolled, due, done) in enumerate(ENROLLED)
        ],
    )
    by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, (person, course, day) in enumerate(LEARNED):
        by_day[day].append(
            {
                "event_id": f"a{number}",
                "person_id": person,
                "course_id": course,
                "verb": COMPLETED,
                "occurred_at": f"{day} 12:00:00Z",
            }
        )
    for day, rows in by_day.items():
        small.events("activity", day, rows)
    small.events(
        "records",
        "2026-07-03",
        [
            {
                "record_id": f"r{number}",
                "recorded_at": f"2026-07-0{number} 12:00:00Z",
                "recorded_by": "e2",
                "source": "command",
                "subject": "comment",
                "entry_id": f"k{number}",
                "kpi_id": "active_learner_rate",
                "period_id": period,
                "person_id": "e2",
                "text": text,
            }
            for number, period, text in (
                (1, "2026-06", "Half of west was away."),
                (2, "2026-06", "West was away for a fortnight."),
                (3, "2026-Q2", "East gained what west lost."),
            )
        ],
    )
    small.build(*(Period.parse(name) for name in ("2026-W25", "2026-06", "2026-Q1", "2026-Q2")))
    return small


def _rows(organisation: SmallLake, sql: str) -> list[tuple[Any, ...]]:
    return [
        tuple(
            float(v) if isinstance(v, Decimal) else str(v) if isinstance(v, date) else v
            for v in row
        )
        for row in organisation.query(sql)
    ]


def test_who_has_come_to_a_halt(organisation: SmallLake) -> None:
    """w2 learned last on the thirtieth day back, e2 a day later; w1 is overdue, which is apart."""
    assert _rows(
        organisation,
        "SELECT org_unit_id, course_id, title, is_mandatory, people "
        "FROM stalled_enrolments__week ORDER BY ALL",
    ) == [
        ("all", "c1", "C1", False, 1),
        ("west", "c1", "C1", False, 1),
    ]


def test_who_is_overdue_in_a_managers_line(organisation: SmallLake) -> None:
    assert _rows(
        organisation,
        "SELECT manager_id, org_unit_id, people, direct_reports FROM overdue_by_manager__week",
    ) == [("w2", "west", 1, 1)]


def test_what_was_completed(organisation: SmallLake) -> None:
    assert _rows(
        organisation,
        "SELECT course_id, completions, mean, upper, is_rise, first_ever FROM course_rises__week",
    ) == [("c1", 1, 0.0, 0.0, 0, 1)]
    assert _rows(
        organisation,
        "SELECT person_id, org_unit_id, course_id, is_flagship, completed_on "
        "FROM leader_completions__week",
    ) == [("e1", "east", "c1", True, "2026-06-16")]


@pytest.mark.parametrize("period", ["2026-06", "2026-Q2"])
def test_what_a_review_may_stop(organisation: SmallLake, period: str) -> None:
    grain, start = Period.parse(period).grain, Period.parse(period).start
    assert _rows(
        organisation,
        "SELECT course_id, owner_person_id, active_people, reasons, right_id "
        f"FROM decommission_candidates__{grain} WHERE period_start = '{start}' ORDER BY ALL",
    ) == [
        ("c8", "e2", 0, "unused", "decommission_elective"),
        ("c9", "e2", 0, "unused", "decommission_elective"),
    ]


def test_what_the_owner_of_a_kpi_said_last(organisation: SmallLake) -> None:
    said = "SELECT kpi_id, org_unit_id, full_name, text, recorded_on FROM kpi_comments__"
    assert _rows(organisation, f"{said}month") == [
        ("active_learner_rate", "all", "E2", "West was away for a fortnight.", "2026-07-02")
    ]
    assert _rows(organisation, f"{said}quarter") == [
        ("active_learner_rate", "all", "E2", "East gained what west lost.", "2026-07-03")
    ]


def test_what_moved_a_rate(organisation: SmallLake) -> None:
    """Three of five people learned, then four; mo moved from west to east in between.

    East: 2 of 5 people, then 3; 1 of 2 learned, then 3 of 3. Mix 20 % x (75 % - 70 %) = 1 point,
    rate 50 % x 50 % = 25. West: 3 of 5 people, then 2; 2 of 3 learned, then 1 of 2. Mix -20 % x
    (58.33 % - 70 %) = 2.33, rate 50 % x -16.67 % = -8.33.
    """
    assert _rows(
        organisation,
        "SELECT org_unit_id, before, now, mix, rate FROM change_split__quarter "
        "WHERE kpi_id = 'active_learner_rate' AND period_start = '2026-04-01' "
        "ORDER BY org_unit_id",
    ) == [
        ("", 60.0, 80.0, 3.3333, 16.6667),
        ("east", 50.0, 100.0, 1.0, 25.0),
        ("west", 66.6667, 50.0, 2.3333, -8.3333),
    ]
    # the first quarter has none before it
    assert organisation.query(
        "SELECT count(*) FROM change_split__quarter WHERE period_start = '2026-01-01'"
    ) == [(0,)]
