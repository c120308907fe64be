"""Figures of an organisation of eleven people, worked out by hand, through the whole dbt build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.lake import PLACEHOLDER_DAY, Lake
from orchestration.periods import Period
from tests.warehouse.small_lake import SmallLake

VERB = "http://adlnet.gov/expapi/verbs/"
JULY = date(2026, 7, 1)


def _person(person_id: str, unit: str | None, **more: Any) -> dict[str, Any]:
    return {
        "person_id": person_id,
        "full_name": person_id.title(),
        "email": f"{person_id}@example.org",
        "org_unit_id": unit,
        "hired_on": "2020-01-01",
        "role_started_on": more.get("hired_on", "2020-01-01"),
        "employment_type": "Employee",
        **more,
    }


def _enrolment(number: int, person: str, course: str, due: str | None, **more: Any) -> dict:
    return {
        "enrolment_id": f"e{number}",
        "person_id": person,
        "course_id": course,
        "enrolled_at": "2026-06-01 09:00:00Z",
        "due_at": due and f"{due} 12:00:00Z",
        "status": "open",
        **more,
    }


def _event(number: int, person: str, course: str | None, at: str, **more: Any) -> dict:
    return {
        "event_id": f"a{number}",
        "person_id": person,
        "course_id": course,
        "verb": VERB + more.pop("verb", "completed"),
        "occurred_at": at,
        **more,
    }


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Any:
    small = SmallLake(tmp_path_factory.mktemp("small"))
    small.versions(
        "org_units",
        [
            {"org_unit_id": "all", "name": "All", "sponsor_person_id": "ann"},
            {"org_unit_id": "east", "name": "East", "parent_org_unit_id": "all"},
            {"org_unit_id": "east-1", "name": "East 1", "parent_org_unit_id": "east"},
            {"org_unit_id": "west", "name": "West", "parent_org_unit_id": "all"},
        ],
    )
    small.versions(
        "people",
        [
            _person("ann", "east-1", job_role="analyst", leader_level="ELT"),
            _person("bob", "east-1", job_role="analyst"),
            _person("cat", "west", hired_on="2026-07-05"),  # 27th day on 31 July
            _person("dan", "west", hired_on="2026-07-01"),  # 31st day on 31 July
            _person("eve", "west", leave_from="2026-07-10", leave_to="2026-07-31"),  # 22 of 31
            _person("fay", "west", leave_from="2026-07-01", leave_to="2026-07-15"),  # 15 of 31
            _person("gus", "west", left_on="2026-07-20"),
            _person("hal", "west", employment_type="Contractor"),
            _person("ivy", "west", valid_to="2026-07-16"),
            _person(
                "ivy",
                "east",
                job_role="analyst",
                role_started_on="2026-07-16",
                valid_from="2026-07-16",
            ),
            _person("joe", None, leader_level="elt"),
            _person("kim", "west", hired_on="2026-08-10"),
        ],
    )
    small.versions(
        "courses",
        [
            {"course_id": "m1", "is_mandatory": True},
            {"course_id": "m2", "is_mandatory": True, "retired_on": "2026-07-05"},
            {"course_id": "c1", "is_flagship": True, "competency_id": "k2"},
        ],
    )
    due = "2026-07-10"
    small.versions(
        "enrolments",
        [
            # 23:30 in London on the due date
            _enrolment(1, "ann", "m1", due, completed_at="2026-07-10 22:30:00Z"),
            # late by the first date, in time by the date it was moved to
            _enrolment(2, "bob", "m1", due, valid_to="2026-07-09"),
            _enrolment(
                2,
                "bob",
                "m1",
                "2026-07-20",
                completed_at="2026-07-12 12:00:00Z",
                valid_from="2026-07-09",
            ),
            # a joiner counts at once; assigned at 11 days' notice
            _enrolment(
                3,
                "cat",
                "m1",
                "2026-07-31",
                enrolled_at="2026-07-20 09:00:00Z",
                completed_at="2026-07-30 12:00:00Z",
            ),
            _enrolment(4, "dan", "m2", "2026-07-15"),  # retired before
            _enrolment(5, "eve", "m1", "2026-07-12"),  # on leave
            _enrolment(6, "gus", "m1", due),  # still employed then
            _enrolment(7, "gus", "m1", "2026-07-25"),  # left before
            _enrolment(8, "fay", "m1", "2026-07-20", valid_to="2026-07-22"),
            _enrolment(8, "fay", "m1", "2026-07-20", status="Cancelled", valid_from="2026-07-22"),
            _enrolment(9, "fay", "m1", "2026-07-28", valid_to="2026-07-25"),
            _enrolment(9, "fay", "m1", "2026-07-28", status="withdrawn", valid_from="2026-07-25"),
            _enrolment(
                10,
                "ivy",
                "m1",
                None,
                due_at="2026-07-31 22:59:59Z",
                completed_at="2026-07-31 22:30:00Z",
            ),
            _enrolment(11, "hal", "m1", "2026-07-20", completed_at="2026-07-19 12:00:00Z"),
            _enrolment(12, "dan", "c1", "2026-07-31", completed_at="2026-07-31 12:00:00Z"),
            _enrolment(13, "cat", "c1", "2026-07-30", completed_at="2026-07-30 12:00:00Z"),
            _enrolment(14, "joe", "m1", "2026-05-01"),  # overdue
            # a re-enrolment is no first completion
            _enrolment(15, "ann", "c1", None, completed_at="2026-06-10 12:00:00Z"),
            _enrolment(16, "ann", "c1", None, completed_at="2026-07-15 12:00:00Z"),
        ],
    )
    small.events("activity", "2026-07-03", [_event(1, "ivy", "c1", "2026-07-03 10:00:00Z")])
    small.events("activity", "2026-07-06", [_event(2, "ann", None, "2026-07-06 10:00:00Z")])
    small.events("activity", "2026-07-07", [_event(3, "bob", "m1", "2026-07-07 10:00:00Z")])
    small.events(
        "activity",
        "2026-07-31",
        [
            _event(4, "dan", "c1", "2026-07-31 22:30:00Z"),  # 23:30 in London
            _event(6, "hal", "c1", "2026-07-31 10:00:00Z"),
            # too short to count
            _event(7, "joe", "c1", "2026-07-31 10:00:00Z", verb="experienced", duration_seconds=10),
        ],
    )
    # 00:30 in London on 1 August
    small.events("activity", "2026-08-01", [_event(5, "fay", "c1", "2026-07-31 23:30:00Z")])
    small.events(
        "assessments",
        "2026-08-01",
        [
            {
                "attempt_id": f"t{number}",
                "person_id": person,
                "competency_id": competency,
                "course_id": "c1",
                "attempted_at": f"{day} 12:00:00Z",
                "passed": passed,
            }
            for number, (person, competency, day, passed) in enumerate(
                [
                    ("ivy", "k1", "2026-07-18", False),
                    ("ivy", "k1", "2026-07-20", True),
                    ("cat", None, "2026-07-25", True),  # the course says which competency
                    ("dan", "k2", "2026-08-01", True),  # after the month
                ]
            )
        ],
    )
    small.events(
        "certifications",
        "2026-08-01",
        [
            {
                "certification_id": f"c{number}",
                "person_id": person,
                "competency_id": competency,
                "issued_at": f"{issued} 12:00:00Z",
                "expires_at": expires,
                "revoked_at": revoked,
            }
            for number, (person, competency, issued, expires, revoked) in enumerate(
                [
                    ("ann", "k1", "2026-05-01", "2026-08-15 12:00:00Z", None),
                    ("bob", "k1", "2026-05-01", "2026-07-31 12:00:00Z", None),
                    ("dan", "k2", "2026-07-02", None, "2026-07-30 12:00:00Z"),
                    ("fay", "k2", "2026-05-01", None, None),
                ]
            )
        ],
    )
    small.events(
        "leader_actions",
        "2026-08-01",
        [
            {"action_id": f"l{n}", "person_id": "ann", "kind": kind, "happened_on": day}
            for n, (kind, day) in enumerate(
                [
                    ("email", "2026-07-14"),
                    ("town_hall", "2026-07-15"),  # the same week
                    ("budget_approval", "2026-06-02"),  # nobody sees it
                    ("manager_cascade", "2026-07-29"),  # a week not over yet
                ]
            )
        ],
    )
    months = ["2025-04", "2025-07", "2025-10", "2026-01", "2026-07"]
    small.events(
        "business_outcomes",
        "2026-10-01",
        [
            {
                "org_unit_id": unit,
                "metric": "productivity",
                "period_start": f"{month}-01",
                "numerator": now if month == "2026-07" else before,
                "denominator": 100,
                "direction": "up",
            }
            for unit, before, now in (("east", 100, 120), ("west", 50, 66))
            for month in months
        ],
    )
    small.seed(
        "programme",
        [
            {
                "org_unit_id": "*",
                "launch_on": "2026-04-15",
                "outcome_metric": "productivity",
                "outcome_lag_quarters": 1,
                "valid_from": "2026-01-01",
            }
        ],
    )
    small.seed(
        "role_requirements",
        [
            {
                "job_role": "analyst",
                "org_unit_id": "*",
                "competency_id": "k1",
                "grace_days": 30,
                "valid_from": "2025-01-01",
            },
            {
                "job_role": "*",
                "org_unit_id": "west",
                "competency_id": "k2",
                "grace_days": 0,
                "valid_from": "2026-06-01",
            },
        ],
    )
    small.seed(
        "licences",
        [
            {
                "licence_id": "l1",
                "seats": 10,
                "cost_per_seat": 12,
                "period_start": "2026-01-01",
                "period_end": "2026-12-31",
            }
        ],
    )
    small.seed(
        "governance_roles",
        [
            {
                "role": "executive_sponsor",
                "org_unit_id": "*",
                "person_id": "ann",
                "deputy_person_id": "gus",
                "valid_from": "2026-01-01",
            }
        ],
    )
    small.build(Period.parse("2026-07"), Period.parse("2026-Q3"), Period.parse("2026-W31"))
    return small


def _figure(
    organisation: Any, grain: str, kpi: str, unit: str, line: str = "employee"
) -> tuple[Any, ...]:
    """(numerator, denominator, value, no_data_reason)"""
    (row,) = organisation.query(
        "SELECT numerator, denominator, value, no_data_reason "
        f"FROM kpi_values__{grain} WHERE kpi_id = '{kpi}' AND org_unit_id = '{unit}' "
        f"AND employment_line = '{line}'"
    )
    return tuple(float(v) if isinstance(v, Decimal) else v for v in row)


@pytest.mark.parametrize(
    ("grain", "kpi", "unit", "expected"),
    [
        ("month", "active_learner_rate", "all", (3, 6, 50.0, None)),
        ("month", "active_learner_rate", "east", (2, 3, 66.7, None)),
        ("month", "active_learner_rate", "east-1", (1, 2, 50.0, None)),
        ("month", "active_learner_rate", "west", (1, 2, 50.0, None)),
        ("month", "active_learner_rate_total", "all", (4, 6, 66.7, None)),
        ("week", "active_learner_rate", "all", (2, 6, 33.3, None)),
        ("month", "on_time_completion_rate", "all", (3, 6, 50.0, None)),
        ("month", "on_time_completion_rate", "east", (2, 3, 66.7, None)),
        ("month", "on_time_completion_rate", "west", (1, 3, 33.3, None)),
        ("week", "on_time_completion_rate", "all", (2, 2, 100.0, None)),
        ("month", "mandatory_short_notice", "all", (1, 6, 1.0, None)),
        ("month", "mandatory_overdue_today", "all", (1, 5, 1.0, None)),
        ("month", "mandatory_overdue_today", "east", (0, 3, 0.0, None)),
        ("month", "elective_completion_rate", "all", (1, 1, 100.0, None)),
        ("month", "elective_completion_rate", "east", (None, None, None, "nothing due")),
        ("month", "certification_rate", "all", (2, 4, 50.0, None)),
        ("month", "certification_rate", "east", (1, 2, 50.0, None)),
        ("month", "certifications_lapsing_60d", "all", (1, 2, 1.0, None)),
        # ivy 4 days, cat 20 days; dan waits since 30, gus left after 49
        ("month", "time_to_competency", "all", (2, 4, 20.0, None)),
        ("month", "time_to_competency", "east", (1, 1, 4.0, None)),
        ("month", "time_to_competency", "west", (1, 3, None, "not reached")),
        ("month", "time_to_competency", "east-1", (None, None, None, "no clock started")),
        ("month", "competency_at_risk", "all", (3, 4, 3.0, None)),
        ("month", "competency_by_day_90", "all", (2, 4, None, "nobody observed for 90 days")),
        ("month", "competency_by_day_90", "east", (1, 1, 100.0, None)),
        ("month", "adoption_velocity", "all", (1, 6, 16.7, None)),
        ("month", "adoption_velocity_mandatory", "all", (3, 6, 50.0, None)),
        ("month", "adoption_velocity_mandatory", "east", (3, 3, 100.0, None)),
        ("month", "sponsor_visible_weeks", "all", (1, 13, 1.0, None)),
        ("month", "leaders_flagship_completed", "all", (1, 2, 50.0, None)),
        ("month", "commitments_closed_on_time", "all", (None, None, None, "no record")),
        ("quarter", "performance_improvement", "all", (0.93, 0.75, 24.0, None)),
        ("quarter", "performance_improvement", "east", (1.2, 1.0, 20.0, None)),
        ("quarter", "performance_improvement", "west", (0.66, 0.5, 32.0, None)),
        (
            "quarter",
            "performance_improvement",
            "east-1",
            (None, None, None, "no outcome reported"),
        ),
        ("quarter", "seat_use", "all", (5, 10, 50.0, None)),
        ("quarter", "seat_use", "west", (2, None, None, "seats are bought for the whole")),
        # 10 seats at 12 a year, 92 of 365 days, half of them idle
        ("quarter", "idle_seat_cost", "all", (15.1233, 10, 15.0, None)),
    ],
)
def test_figure(
    organisation: Any, grain: str, kpi: str, unit: str, expected: tuple[Any, ...]
) -> None:
    assert _figure(organisation, grain, kpi, unit) == expected


def test_contractors_stand_on_a_line_of_their_own(organisation: Any) -> None:
    assert _figure(organisation, "month", "active_learner_rate", "west", "contractor") == (
        1,
        1,
        100.0,
        None,
    )
    assert _figure(organisation, "month", "on_time_completion_rate", "all", "contractor") == (
        1,
        1,
        100.0,
        None,
    )


def test_people_left_out_are_counted_by_reason(organisation: Any) -> None:
    assert organisation.query(
        "SELECT reason, people FROM exclusions__month WHERE org_unit_id = 'all' ORDER BY reason"
    ) == [("left", 1), ("not_yet_31_days", 1), ("not_yet_hired", 1), ("on_leave", 1)]
    assert organisation.query(
        "SELECT org_unit_id, headcount, eligible FROM org_units__month ORDER BY org_unit_id"
    ) == [("all", 8, 6), ("east", 3, 3), ("east-1", 2, 2), ("west", 4, 2)]


def test_reason_for_each_enrolment_left_out(organisation: Any) -> None:
    assert organisation.query(
        "SELECT enrolment_id, left_out_reason FROM fct_enrolments_due__month "
        "WHERE in_denominator = 0 ORDER BY enrolment_id"
    ) == [
        ("e13", "joined under 31 days before the due date"),
        ("e4", "course retired before the due date"),
        ("e5", "on leave on the due date"),
        ("e7", "not employed on the due date"),
        ("e9", "cancelled by the due date"),
    ]


def test_roles_are_resolved_through_people(organisation: Any) -> None:
    assert organisation.query(
        "SELECT role, org_unit_id, email, is_active, deputy_name, deputy_is_active "
        "FROM governance__month ORDER BY role"
    ) == [
        ("executive_sponsor", "all", "ann@example.org", True, "Gus", False),
        ("sponsor", "all", "ann@example.org", True, None, False),
    ]


def test_survival_curve_is_that_of_lifelines(organisation: Any) -> None:
    from lifelines import KaplanMeierFitter

    fitted = KaplanMeierFitter().fit([4, 20, 30, 49], [1, 1, 0, 0])
    band = fitted.confidence_interval_
    rows = organisation.query(
        "SELECT duration_days, survival, survival_lower, survival_upper "
        "FROM int_competency_survival__month "
        "WHERE org_unit_id = 'all' AND employment_line = 'employee' ORDER BY duration_days"
    )
    for day, survival, lower, upper in rows:
        assert survival == pytest.approx(fitted.survival_function_.loc[day].item(), abs=1e-12)
        assert (lower, upper) == pytest.approx(tuple(band.loc[day]), abs=1e-12)
    assert [row[0] for row in rows] == [4, 20, 30, 49]


@contextmanager
def unreadable_but(lake: Lake, day: str) -> Iterator[int]:
    """Spoil every file of events of other days while the block runs; yields how many."""
    files = [Path(lake.path(file)) for file in lake.files("raw", "activity", suffix=".parquet")]
    spoilt = {
        file: file.read_bytes()
        for file in files
        if not any(f"={each}" in file.parent.name for each in (day, PLACEHOLDER_DAY))
    }
    for file in spoilt:
        file.write_bytes(b"not Parquet")
    try:
        yield len(spoilt)
    finally:
        for file, content in spoilt.items():
            file.write_bytes(content)


def test_a_day_that_is_built_again_replaces_its_facts(organisation: Any) -> None:
    """And a month is closed without opening the events of any other day."""
    before = organisation.query("SELECT * FROM fct_course_day ORDER BY ALL")
    # dan's event is sent again, and a new one of joe's with it
    organisation.events(
        "activity",
        "2026-07-31",
        [
            _event(4, "dan", "c1", "2026-07-31 22:30:00Z"),
            _event(6, "hal", "c1", "2026-07-31 10:00:00Z"),
            _event(8, "joe", "c1", "2026-07-31 11:00:00Z"),
        ],
        sequence=2,
    )
    with unreadable_but(organisation.lake, "2026-07-31") as spoilt:
        organisation.build(Period.parse("2026-07"), days=[date(2026, 7, 31)])
    assert spoilt
    after = organisation.query("SELECT * FROM fct_course_day ORDER BY ALL")
    assert [row for row in after if row[0] != date(2026, 7, 31)] == [
        row for row in before if row[0] != date(2026, 7, 31)
    ]
    assert _figure(organisation, "month", "active_learner_rate", "all") == (4, 6, 66.7, None)
