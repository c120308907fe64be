"""Leaders of an organisation of nine people, worked out by hand, through the whole dbt build.

The programme of the whole starts on 1 July 2026 and that of East on 1 September; the figures are of
July and August. Decisions come as a file and as what people recorded.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from orchestration.periods import Period
from tests.warehouse.small_lake import SmallLake

JULY, AUGUST = date(2026, 7, 1), date(2026, 8, 1)


def _person(person_id: str, unit: str, manager: str | None, **more: Any) -> dict[str, Any]:
    return {
        "person_id": person_id,
        "full_name": person_id.title(),
        "email": f"{person_id}@example.org",
        "org_unit_id": unit,
        "manager_id": manager,
        "hired_on": "2020-01-01",
        "employment_type": "employee",
        **more,
    }


def _role(role: str, unit: str, person: str, deputy: str | None = None, **more: Any) -> dict:
    return {
        "role": role,
        "org_unit_id": unit,
        "person_id": person,
        "deputy_person_id": deputy,
        "valid_from": "2026-01-01",
        **more,
    }


def _action(number: int, person: str, kind: str, day: str, **more: Any) -> dict[str, Any]:
    return {
        "action_id": f"l{number:02d}",
        "person_id": person,
        "kind": kind,
        "happened_on": day,
        **more,
    }


def _record(number: int, entry: str, day: str, **more: Any) -> dict[str, Any]:
    return {
        "record_id": f"r{number}",
        "recorded_at": f"{day} 12:00:00Z",
        "source": "command",
        "subject": "decision",
        "entry_id": entry,
        **more,
    }


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    small = SmallLake(tmp_path_factory.mktemp("leadership"))
    small.versions(
        "org_units",
        [
            {"org_unit_id": "all", "name": "All"},
            {"org_unit_id": "east", "parent_org_unit_id": "all", "sponsor_person_id": "eva"},
            {"org_unit_id": "west", "parent_org_unit_id": "all"},
        ],
    )
    small.versions(
        "people",
        [
            _person("ann", "all", None, leader_level="elt"),
            _person("ben", "all", "ann", leader_level="elt"),
            # left in July; the deputy acts
            _person("lou", "all", "ann", left_on="2026-07-20"),
            _person("dee", "all", "ann"),
            _person("eva", "east", "ann", leader_level="senior"),
            _person("ed", "east", "eva", leader_level="manager"),
            _person("emi", "east", "ed"),
            _person("will", "west", "ann", leader_level="manager"),
            _person("wim", "west", "will"),
        ],
    )
    small.versions("courses", [{"course_id": "c1", "is_flagship": True}, {"course_id": "m1"}])
    small.versions(
        "enrolments",
        [
            {
                "enrolment_id": f"e{number}",
                "person_id": person,
                "course_id": course,
                "enrolled_at": "2026-06-01 09:00:00Z",
                "completed_at": f"{day} 12:00:00Z",
            }
            for number, (person, course, day) in enumerate(
                [
                    ("ann", "c1", "2026-07-31"),
                    ("ben", "m1", "2026-06-02"),
                    ("emi", "m1", "2026-05-04"),
                    ("ed", "m1", "2026-06-04"),
                    ("wim", "m1", "2026-06-05"),
                    ("eva", "c1", "2026-08-31"),
                ]
            )
        ],
    )
    small.events(
        "activity",
        "2026-07-03",
        [
            {
                "event_id": "a1",
                "person_id": "ann",
                "course_id": "c1",
                "verb": "http://adlnet.gov/expapi/verbs/completed",
                "occurred_at": "2026-07-03 10:00:00Z",
            }
        ],
    )
    small.events(
        "leader_actions",
        "2026-09-01",
        [
            _action(1, "ann", "town_hall", "2026-07-02", audience_org_unit_id="all"),
            _action(2, "ann", "email", "2026-07-08", audience_org_unit_id="west"),
            _action(3, "ann", "budget_approval", "2026-07-14"),
            _action(4, "eva", "email", "2026-07-21"),
            _action(5, "eva", "email", "2026-07-22", audience_org_unit_id="west"),
            # of three managers two pass the message on, one of them in time
            _action(6, "ed", "manager_cascade", "2026-07-11", message_id="hello"),
            _action(7, "will", "manager_cascade", "2026-07-30", message_id="hello"),
            _action(8, "dee", "review_attended", "2026-07-24"),
        ],
    )
    small.versions(
        "decisions",
        [
            # told late, and known from the day it was asked
            {
                "entry_id": "fund",
                "kind": "decision",
                "title": "Fund a campaign",
                "right_id": "fund_campaign_within_limit",
                "amount": 9000,
                "asked_on": "2026-07-06",
                "due_on": "2026-07-16",
                "valid_from": "2026-08-03",
            },
            {
                "entry_id": "promise",
                "kind": "commitment",
                "title": "Free two hours a week",
                "org_unit_id": "east",
                "owner_person_id": "eva",
                "asked_on": "2026-07-06",
                "due_on": "2026-07-31",
                "valid_from": "2026-07-06",
                "valid_to": "2026-07-20",
            },
            {
                "entry_id": "promise",
                "kind": "commitment",
                "title": "Free two hours a week",
                "org_unit_id": "east",
                "owner_person_id": "eva",
                "asked_on": "2026-07-06",
                "due_on": "2026-08-14",
                "valid_from": "2026-07-20",
            },
            {
                "entry_id": "targets",
                "kind": "decision",
                "title": "Targets of the quarter",
                "right_id": "set_targets",
                "asked_on": "2026-07-01",
                "decided_on": "2026-07-09",
                "decided_by_person_id": "eva",
                "valid_from": "2026-07-09",
            },
        ],
    )
    small.events(
        "records",
        "2026-08-12",
        [
            _record(1, "fund", "2026-08-05", decided_on="2026-08-05", decided_by_person_id="ann"),
            _record(2, "promise", "2026-08-12", closed_on="2026-08-11"),
            _record(3, "nothing", "2026-08-12", closed_on="2026-08-12"),
        ],
    )
    small.seed(
        "governance_roles",
        [
            _role("executive_sponsor", "*", "ann", "ben"),
            _role("elt_member", "*", "ann"),
            _role("elt_member", "*", "ben"),
            _role("program_lead", "*", "lou", "dee"),
            _role("operator", "*", "dee", "ben"),
            _role("measurer", "*", "dee", "ben"),
            _role("operator", "east", "ed"),
        ],
    )
    small.seed(
        "programme",
        [
            {
                "org_unit_id": unit,
                "launch_on": launch,
                "valid_from": "2026-06-01",
                "town_hall_on": "2026-07-02",
                "first_review_on": "2026-07-24",
            }
            for unit, launch in (("*", "2026-07-01"), ("east", "2026-09-01"))
        ],
    )
    small.seed(
        "messages",
        [
            {
                "message_id": "hello",
                "core_sentence": "Learning is part of the work.",
                "audience_org_unit_id": "*",
                "issued_on": "2026-07-02",
                "expires_on": "2026-08-01",
            }
        ],
    )
    small.build(*(Period.parse(p) for p in ("2026-05", "2026-06", "2026-07", "2026-08")))
    return small


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def test_the_log_of_july_and_of_august(organisation: SmallLake) -> None:
    log = """SELECT entry_id, owner_person_id, owner_role, status, waiting_days, closed_on_time,
        fault FROM decision_log__month WHERE period_start = DATE '{}' ORDER BY entry_id"""
    assert organisation.query(log.format(JULY)) == [
        ("fund", "ann", "executive_sponsor", "overdue", 25, 0, None),
        ("promise", "eva", None, "open", 25, 0, None),
        # eva is no member of the executive leadership team
        ("targets", None, "elt_member", "decided", 8, None, "decided_without_right"),
    ]
    assert organisation.query(log.format(AUGUST)) == [
        ("fund", "ann", "executive_sponsor", "decided", 30, 0, None),
        ("nothing", None, None, "done", None, None, "decision_for_unknown_entry"),
        ("promise", "eva", None, "done", 36, 0, None),
        ("targets", None, "elt_member", "decided", 8, None, "decided_without_right"),
    ]


def test_leaders_and_whom_to_write_to(organisation: SmallLake) -> None:
    assert organisation.query(
        "SELECT person_id, role, org_unit_id, manager_id, deputy_person_id, in_role_from "
        f"FROM named_leaders__month WHERE period_start = DATE '{JULY}' ORDER BY ALL"
    ) == [
        ("ann", "elt_member", "all", None, None, date(2026, 1, 1)),
        ("ann", "executive_sponsor", "all", None, "ben", date(2026, 1, 1)),
        ("ben", "elt_member", "all", "ann", None, date(2026, 1, 1)),
        ("eva", "sponsor", "east", "ann", None, date(2026, 1, 1)),
    ]
    assert organisation.query(
        "SELECT person_id, is_active, deputy_person_id, deputy_is_active, is_manager "
        f"FROM contacts__month WHERE period_start = DATE '{JULY}' ORDER BY ALL"
    ) == [
        ("ann", True, "ben", True, True),
        ("ben", True, None, False, False),
        ("dee", True, "ben", True, False),
        ("ed", True, None, False, True),
        ("eva", True, None, False, True),
        ("lou", False, "dee", True, False),
        ("will", True, None, False, True),
    ]


def test_vacancies(organisation: SmallLake) -> None:
    assert organisation.query(
        "SELECT org_unit_id, role, fault, person_id FROM governance_faults__month "
        f"WHERE period_start = DATE '{JULY}' ORDER BY ALL"
    ) == [
        # each owns an action of the plan of the whole, which runs
        ("all", "ld_head", "vacant", None),
        ("all", "operations_head", "vacant", None),
        ("all", "people_head", "vacant", None),
        ("all", "unit_head", "vacant", None),
        # to start in September
        ("east", "measurer", "vacant", None),
        ("east", "operator", "no_deputy", "ed"),
        ("east", "sponsor", "no_deputy", "eva"),
    ]


@pytest.mark.parametrize(
    ("month", "person", "unit", "index", "expected"),
    [
        # the weeks of 29 June and 6 July; the 13th ends on 26 July
        (JULY, "ann", "all", "visible_weeks", (2, 13, 2, None)),
        # her second mail went to the other unit
        (JULY, "eva", "east", "visible_weeks", (1, 13, 1, None)),
        (JULY, "ben", "all", "visible_weeks", (0, 13, None, "no record")),
        (JULY, None, "all", "visible_weeks", (2, 13, 2, None)),
        # no sponsor of its own: what ann said to the whole and to west
        (JULY, None, "west", "visible_weeks", (2, 13, 2, None)),
        (JULY, None, "east", "visible_weeks", (1, 13, 1, None)),
        (JULY, None, "all", "leaders_active", (1, 5, 20, None)),
        (JULY, None, "east", "leaders_active", (0, 2, 0, None)),
        (AUGUST, None, "all", "leaders_active", (0, 5, None, "no activity delivered")),
        (JULY, None, "all", "leaders_flagship", (1, 5, 20, None)),
        (AUGUST, None, "east", "leaders_flagship", (1, 2, 50, None)),
        (JULY, "eva", "east", "leaders_flagship", (0, 1, 0, None)),
        # 31 July was the first date and counts; nothing is first due in August
        (JULY, "eva", "east", "commitments_on_time", (0, 1, 0, None)),
        (AUGUST, "eva", "east", "commitments_on_time", (None, None, None, "no record")),
        (JULY, None, "all", "commitments_on_time", (0, 1, 0, None)),
        (JULY, None, "west", "commitments_on_time", (None, None, None, "no record")),
        # fund 25 days so far, targets 8
        (JULY, None, "all", "decision_wait_days", (33, 2, 16.5, None)),
        (AUGUST, "ann", "all", "decision_wait_days", (30, 1, 30, None)),
        # ann's course in July: May and June are before, September is to come
        (JULY, None, "all", "velocity_before", (4, 18, 22.2, None)),
        (JULY, None, "west", "velocity_before", (1, 4, 25, None)),
        (AUGUST, None, "all", "velocity_after", (1, 8, None, "the two months after are not over")),
        # two of ann, eva, ed and will: ann leads the whole, eva has ed beneath her
        (JULY, None, "all", "cascade_reach", (2, 4, 50, None)),
        (JULY, None, "east", "cascade_reach", (1, 2, 50, None)),
    ],
)
def test_index(
    organisation: SmallLake,
    month: date,
    person: str | None,
    unit: str,
    index: str,
    expected: tuple[Any, ...],
) -> None:
    (row,) = organisation.query(
        "SELECT numerator, denominator, value, no_data_reason FROM leader_indices__month "
        f"WHERE period_start = DATE '{month}' AND org_unit_id = '{unit}' AND index_id = '{index}' "
        f"AND person_id IS NOT DISTINCT FROM {repr(person) if person else 'NULL'}"
    )
    assert tuple(map(_number, row)) == expected


def test_the_plan_at_day_30(organisation: SmallLake) -> None:
    found = organisation.query(
        "SELECT plan_day, evidence_kind, owner_person_id, target, reached, status, evidence_id "
        f"FROM leader_plan__month WHERE period_start = DATE '{JULY}' AND plan_day <= 45 "
        "AND day_now = 30 ORDER BY plan_day, action"
    )
    assert [tuple(map(_number, row)) for row in found] == [
        (0, "governance_roles", None, 3, 3, "done", "sponsor"),
        (5, "calendar", "dee", 2, 2, "done", "town_hall_on"),
        # decided by eva, who had no right to
        (10, "decision_log", None, 1, 0, "overdue", None),
        (14, "leader_action", "ann", 1, 1, "done", "l01"),
        (15, "leader_action", "ann", 1, 1, "done", "l02"),
        (25, "confirmation", None, 80, 50, "overdue", None),
        # due on the last day: not overdue yet
        (30, "decision_log", "ann", 1, 0, "due", None),
        (35, "completion", "ann", 1, 1, "done", "e0"),
        (45, "completion", None, 90, 50, "not_yet", None),
    ]
    assert organisation.query("SELECT DISTINCT org_unit_id FROM leader_plan__month ORDER BY 1") == [
        ("all",)
    ]
    (on_track,) = organisation.query(
        "SELECT numerator, denominator FROM leader_indices__month WHERE subject = 'unit' "
        f"AND index_id = 'plan_on_track' AND org_unit_id = 'all' AND period_start = DATE '{JULY}'"
    )
    assert tuple(map(_number, on_track)) == (4, 7)


def test_managers_who_passed_the_message_on(organisation: SmallLake) -> None:
    assert organisation.query(
        "SELECT org_unit_id, age_days, is_live, managers, confirmed, confirmed_in_window "
        f"FROM message_cascade__month WHERE period_start = DATE '{JULY}' ORDER BY ALL"
    ) == [
        ("all", 29, 1, 4, 2, 1),
        ("east", 29, 1, 2, 1, 1),
        ("west", 29, 1, 1, 1, 0),
    ]
