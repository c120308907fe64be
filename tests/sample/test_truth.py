"""The truth of an organisation of ten people, against figures worked out by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from orchestration.periods import Period
from orchestration.sample import content
from orchestration.sample.activity import VERB, LearningMarks
from orchestration.sample.learning import COURSE
from orchestration.sample.organisation import (
    DAY_SECONDS,
    NEVER,
    UNSET,
    Organisation,
    Requirement,
    Unit,
    to_day,
)
from orchestration.sample.parameters import SampleParameters
from orchestration.sample.truth import kaplan_meier_median, period_truth

FEBRUARY, MARCH = Period.parse("2026-02"), Period.parse("2026-03")
# Eighteen months, so that the manual handling course is retired on 1 February 2026.
PARAMETERS = SampleParameters(months=18, last_month=MARCH)
A, B = 1, 2


def day(text: str) -> int:
    return to_day(date.fromisoformat(text))


def at(text: str, clock: str = "10:00") -> int:
    hours, minutes = clock.split(":")
    return day(text) * DAY_SECONDS + int(hours) * 3600 + int(minutes) * 60


def column(rows: list[tuple[Any, ...]], position: int) -> Any:
    return np.array([row[position] for row in rows])


@pytest.fixture(scope="module")
def organisation() -> Organisation:
    long_ago = "2020-05-04"
    # unit, hired, role started, left, leave from, leave to, contractor
    people = [
        (A, long_ago, long_ago, None, None, None, False),
        # 15 of 28 days on leave: out
        (A, long_ago, "2025-06-02", None, "2026-02-01", "2026-02-15", False),
        # 14 of 28: half is not more than half
        (B, long_ago, long_ago, None, "2026-02-01", "2026-02-14", False),
        (B, "2026-01-29", "2026-01-29", None, None, None, False),  # 28 February is day 31
        (B, "2026-01-30", "2026-01-30", None, None, None, False),  # day 30
        (A, "2026-01-01", "2026-01-01", None, None, None, True),
        (A, "2025-12-01", "2025-12-01", "2026-02-10", None, None, False),
        (A, long_ago, long_ago, None, None, None, False),  # moves to B on 20 February
        (A, long_ago, "2025-11-03", None, None, None, False),
        (A, "2026-03-02", "2026-03-02", None, None, None, False),
    ]
    count = len(people)

    def days(position: int) -> Any:
        return np.array([NEVER if row[position] is None else day(row[position]) for row in people])

    started = days(2)
    organisation = Organisation(
        parameters=PARAMETERS,
        units=[
            Unit("ROOT", "Whole", UNSET, 0, UNSET, 0),
            Unit("A", "Unit A", 0, 1, 0, 0),
            Unit("B", "Unit B", 0, 1, 1, 0),
        ],
        requirements=[Requirement(0, UNSET, 90, day("2020-01-01"))],
        people={
            "person_id": np.array([f"P{n}" for n in range(count)]),
            "contractor": column(people, 6),
            "hired": days(1),
            "left": days(3),
            "leave_from": days(4),
            "leave_to": days(5),
        },
        start={
            "unit": column(people, 0),
            "role": np.zeros(count, dtype=int),
            "level": np.zeros(count, dtype=int),
            "slot": np.full(count, UNSET),
            "role_started": started,
        },
        changes={
            name: np.array([value])
            for name, value in {
                "day": day("2026-02-20"),
                "person": 7,
                "unit": B,
                "role": 0,
                "level": 0,
                "slot": UNSET,
                "role_started": int(started[7]),
            }.items()
        },
        holders={name: np.zeros(0, dtype=int) for name in ("day", "slot", "person")},
    )
    organisation.enrolments = _enrolments()
    organisation.passes = _passes()
    return organisation


def _enrolments() -> dict[str, Any]:
    # person, course, enrolled, due, completed, cancelled on
    rows: list[tuple[int, str, str, str | None, int, str | None]] = [
        (0, "MAN-SAFE", "2026-01-02", "2026-02-20", at("2026-02-18"), None),
        # its due date was moved to March: the first one counts
        (0, "MAN-CODE", "2026-01-02", "2026-02-12", at("2026-02-20"), None),
        (1, "MAN-SAFE", "2026-01-02", "2026-02-10", UNSET, None),  # on leave that day
        (2, "MAN-SAFE", "2026-01-02", "2026-02-20", at("2026-02-21", "00:05"), None),
        (4, "MAN-SAFE", "2026-01-30", "2026-02-20", at("2026-02-19"), None),  # joiners count
        (5, "MAN-SAFE", "2026-01-30", "2026-02-20", at("2026-02-19"), None),
        (6, "MAN-SAFE", "2026-01-02", "2026-02-09", UNSET, None),  # the day before leaving
        (6, "MAN-CODE", "2026-01-02", "2026-02-20", UNSET, None),  # gone by then
        (7, "MAN-SAFE", "2026-01-02", "2026-02-10", UNSET, "2026-02-05"),  # cancelled before
        (7, "MAN-CODE", "2026-01-02", "2026-02-10", UNSET, "2026-02-25"),  # after: missed
        (8, "MAN-LIFT", "2026-01-02", "2026-02-10", UNSET, None),  # retired before
        (8, "MAN-FOOD", "2026-02-15", "2026-02-20", at("2026-02-20", "23:30"), None),
        (0, "ELE-PROB", "2026-02-02", None, at("2026-02-10"), None),
        (0, "ELE-PROB", "2026-02-20", None, at("2026-02-27"), None),  # not the first
        (2, "ELE-WAST", "2025-12-02", None, at("2026-01-05"), None),
        (2, "ELE-WAST", "2026-02-02", None, at("2026-02-05"), None),  # not the first
        (3, "FLG-LEAD", "2026-02-02", None, at("2026-02-28", "23:30"), None),
        (1, "FLG-LEAD", "2026-01-02", None, at("2026-02-25"), None),  # not eligible
        (8, "FLG-LEAD", "2026-01-02", None, at("2026-03-01", "00:30"), None),  # March
    ]
    return {
        "person": column(rows, 0),
        "course": np.array([COURSE[row[1]] for row in rows]),
        "enrolled": np.array([at(row[2]) for row in rows]),
        "due": np.array([UNSET if row[3] is None else day(row[3]) for row in rows]),
        "completed": column(rows, 4),
        "cancelled_on": np.array([NEVER if row[5] is None else day(row[5]) for row in rows]),
    }


def _passes() -> dict[str, Any]:
    # person, at, expires, revoked
    rows: list[tuple[int, str, str, str | None]] = [
        (0, "2025-03-03", "2027-03-03", None),
        (1, "2023-01-09", "2025-01-09", None),  # expired before the new role: the clock runs
        (2, "2025-03-03", "2027-03-03", "2026-02-15"),
        (1, "2026-03-20", "2028-03-20", None),
        (3, "2026-02-20", "2028-02-20", None),
        (4, "2026-03-10", "2028-03-10", None),
        (5, "2026-03-05", "2028-03-05", None),
        (7, "2024-04-15", "2026-04-15", None),  # lapses within 60 days
        (8, "2024-02-10", "2026-02-10", None),  # expired, after the new role: no clock
    ]
    return {
        "person": column(rows, 0),
        "competency": np.zeros(len(rows), dtype=int),
        "at": np.array([at(row[1]) for row in rows]),
        "expires": np.array([day(row[2]) for row in rows]),
        "revoked": np.array([NEVER if row[3] is None else day(row[3]) for row in rows]),
    }


@pytest.fixture(scope="module")
def marks(organisation: Organisation) -> LearningMarks:
    # person, course, verb, at, seconds
    rows: list[tuple[int, str, str, int, int]] = [
        (0, "ELE-PROB", content.EXPERIENCED, at("2026-02-10"), 300),
        (1, "ELE-PROB", content.EXPERIENCED, at("2026-02-20"), 300),
        (2, "MAN-SAFE", content.COMPLETED, at("2026-02-21"), 0),
        (3, "ELE-PROB", content.PLAYED, at("2026-02-28", "23:30"), 300),
        (5, "ELE-PROB", content.ANSWERED, at("2026-02-11"), UNSET),
        (7, "ELE-PROB", content.PLAYED, at("2026-03-01", "00:30"), 300),
        (8, "ELE-PROB", content.PLAYED, at("2026-02-11"), 29),  # too short
        (8, "ELE-PROB", content.INITIALIZED, at("2026-02-11"), 900),  # not learning
    ]
    marks = LearningMarks(organisation.size, PARAMETERS)
    marks.add(
        {
            "person": column(rows, 0),
            "course": np.array([COURSE[row[1]] for row in rows]),
            "verb": np.array([VERB[row[2]] for row in rows]),
            "at": column(rows, 3),
            "seconds": column(rows, 4),
        }
    )
    return marks


@pytest.mark.parametrize(
    ("kpi", "line", "whole", "unit_a", "unit_b"),
    [
        ("active_learner_rate", "employee", [2, 5], [1, 2], [1, 3]),
        ("active_learner_rate", "contractor", [1, 1], [1, 1], [0, 0]),
        ("active_learner_rate_total", "employee", [3, 5], [1, 2], [2, 3]),
        ("on_time_completion_rate", "employee", [3, 7], [2, 4], [1, 3]),
        ("on_time_completion_rate", "contractor", [1, 1], [1, 1], [0, 0]),
        ("mandatory_short_notice", "employee", [1, 7], [1, 4], [0, 3]),
        ("certification_rate", "employee", [2, 4], [1, 2], [1, 2]),
        ("certifications_lapsing_60d", "employee", [1, 2], [0, 1], [1, 1]),
        ("adoption_velocity", "employee", [2, 5], [1, 2], [1, 3]),
        ("adoption_velocity_mandatory", "employee", [1, 5], [1, 2], [0, 3]),
        ("time_to_competency", "employee", [1, 3], [0, 1], [1, 2]),
        ("time_to_competency", "contractor", [0, 1], [0, 1], [0, 0]),
    ],
)
def test_figures_of_february(
    organisation: Organisation,
    marks: LearningMarks,
    kpi: str,
    line: str,
    whole: list[int],
    unit_a: list[int],
    unit_b: list[int],
) -> None:
    truth = period_truth(organisation, marks, FEBRUARY)
    assert truth["kpis"][kpi][line] == {"ROOT": whole, "A": unit_a, "B": unit_b}


def test_people_left_out_in_february(organisation: Organisation, marks: LearningMarks) -> None:
    truth = period_truth(organisation, marks, FEBRUARY)
    assert truth["eligible"]["employee"] == {"ROOT": 5, "A": 2, "B": 3}
    assert truth["on_leave"]["employee"] == {"ROOT": 1, "A": 1, "B": 0}
    assert truth["not_yet_31_days"]["employee"] == {"ROOT": 1, "A": 0, "B": 1}


def test_clocks_are_censored_at_the_end_or_on_leaving_and_rest_on_leave(
    organisation: Organisation, marks: LearningMarks
) -> None:
    february = period_truth(organisation, marks, FEBRUARY)
    assert sorted(february["clocks"]) == [
        ["P3", "FOOD-SAFETY", "2026-01-29", 22, True],
        ["P4", "FOOD-SAFETY", "2026-01-30", 29, False],
        ["P5", "FOOD-SAFETY", "2026-01-01", 58, False],
        ["P6", "FOOD-SAFETY", "2025-12-01", 71, False],
    ]
    assert february["median_days_to_competency"]["employee"] is None
    march = period_truth(organisation, marks, MARCH)
    assert ["P4", "FOOD-SAFETY", "2026-01-30", 39, True] in march["clocks"]
    assert ["P9", "FOOD-SAFETY", "2026-03-02", 29, False] in march["clocks"]
    assert ["P1", "FOOD-SAFETY", "2025-06-02", 291, True] in march["clocks"]  # back from leave
    assert march["median_days_to_competency"] == {"employee": 291, "contractor": 63}


def test_median_of_survival() -> None:
    assert kaplan_meier_median([]) is None
    assert kaplan_meier_median([(5, True), (9, False)]) == 5
    assert kaplan_meier_median([(5, True), (6, False), (7, True), (8, True)]) == 7
    assert kaplan_meier_median([(5, True), (6, False), (7, False), (8, False)]) is None
