"""What is published of leaders, their log and the early warnings, against what is true of them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pytest

from orchestration.periods import Grain, Period
from orchestration.warehouse.published import read_published
from tests.line.reviewed import LAST, SAMPLE, Organisation

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def true(organisation: Organisation) -> dict[str, Any]:
    leaders: dict[str, Any] = organisation.truth["leaders"]
    return leaders


def published(
    organisation: Organisation, model: str, grain: Grain = Grain.MONTH
) -> dict[str, Rows]:
    """Rows of a model by period."""
    found: dict[str, Rows] = defaultdict(list)
    for row in read_published(organisation.lake, grain, f"{model}__{grain}"):
        found[Period.containing(grain, row["period_start"]).id].append(row)
    return found


@pytest.fixture(scope="module")
def logs(organisation: Organisation) -> dict[str, Rows]:
    return published(organisation, "decision_log")


def test_the_planted_warnings_are_found_and_no_others(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    rows = published(organisation, "early_warnings")[LAST.id]
    found = {
        (row["warning_id"], row["org_unit_id"]): (row["person_id"], row["since_on"].isoformat())
        for row in rows
    }
    planted = {}
    for warning in true["warnings"]:
        # of the levels of one silence, the worst is shown
        worst = warning["warning_ids"][-1]
        planted[worst, warning["org_unit_id"]] = (warning.get("person_id"), warning["since_on"])
    assert found == planted
    assert ("sponsor_silent_6", "SUP") in found


def test_no_warning_was_due_before_the_launch(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    launched = true["plans"]["MF"]["launch_on"]
    for period, rows in published(organisation, "early_warnings").items():
        if Period.parse(period).end.isoformat() < launched:
            assert rows == []


def test_the_log_holds_every_entry_with_its_first_due_date(
    logs: dict[str, Rows], true: dict[str, Any]
) -> None:
    rows = {row["entry_id"]: row for row in logs[LAST.id]}
    for entry in true["log"]:
        row = rows[entry["entry_id"]]
        assert row["kind"] == entry["kind"]
        assert row["owner_person_id"] == entry["owner_person_id"]
        assert str(row["asked_on"]) == entry["asked_on"]
        assert str(row["first_due_on"]) == entry["first_due_on"]
        for name in ("decided_on", "closed_on"):
            known = entry[name] if entry[name] and entry[name] <= str(LAST.end) else None
            assert row[name] == (known and date.fromisoformat(known)), entry["entry_id"]
    assert len(true["log"]) > 30


def test_faults_of_the_log_are_the_planted_ones(
    logs: dict[str, Rows], true: dict[str, Any]
) -> None:
    faults = {row["entry_id"]: row["fault"] for row in logs[LAST.id] if row["fault"]}
    assert faults == dict.fromkeys(
        true["log_faults"]["decided_without_right"], "decided_without_right"
    )
    assert len(faults) == 1
    (moved,) = true["log_faults"]["moved"]
    row = next(row for row in logs[LAST.id] if row["entry_id"] == moved)
    assert row["first_due_on"] < row["due_on"]
    assert row["closed_on_time"] == 0
    waiting = {
        row["entry_id"]
        for row in logs[LAST.id]
        if row["kind"] == "decision" and row["status"] == "overdue"
    }
    assert waiting == set(true["log_faults"]["waiting"])


def test_commitments_on_time_in_every_month(logs: dict[str, Rows], true: dict[str, Any]) -> None:
    compared = 0
    for period, rows in logs.items():
        month = Period.parse(period)
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for row in rows:
            if row["kind"] == "commitment" and month.start <= row["first_due_on"] <= month.end:
                counts[row["owner_person_id"]][0] += row["closed_on_time"]
                counts[row["owner_person_id"]][1] += 1
        assert dict(counts) == true["commitments"][period], period
        compared += len(counts)
    assert compared > 5


def test_days_that_decisions_waited(logs: dict[str, Rows], true: dict[str, Any]) -> None:
    for period, rows in logs.items():
        month = Period.parse(period)
        waits: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            decided = row["decided_on"]
            if row["kind"] == "decision" and decided and month.start <= decided <= month.end:
                waits[row["owner_person_id"]].append(row["waiting_days"])
        found = {person: sorted(days) for person, days in waits.items()}
        assert found == true["decision_waits"][period], period


def test_decisions_done_of_the_last_review(logs: dict[str, Rows], true: dict[str, Any]) -> None:
    before = LAST.shift(-1).id
    asked = [r for r in logs[LAST.id] if r["asked_in"] == before and r["kind"] == "decision"]
    done = [row for row in asked if row["status"] in ("decided", "done")]
    assert [len(done), len(asked)] == true["reviews"][before]
    assert 0 < len(done) < len(asked)


def test_nobody_has_a_faulty_role(organisation: Organisation) -> None:
    assert published(organisation, "governance_faults")[LAST.id] == []


def test_sponsors_are_named_with_their_deputies(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    leaders = published(organisation, "named_leaders")[LAST.id]
    sponsors = {r["org_unit_id"]: r for r in leaders if r["role"] == "sponsor"}
    assert set(sponsors) == set(true["visible_weeks"])
    assert all(row["deputy_person_id"] for row in sponsors.values())


def test_silence_is_counted_in_whole_weeks(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    (silent,) = [w for w in true["warnings"] if w["pain_point"] == "no_visible_sponsor"]
    monday = date.fromisoformat(silent["since_on"])
    for period, rows in published(organisation, "early_warnings").items():
        end = Period.parse(period).end + timedelta(days=1)
        weeks = (end - timedelta(days=end.weekday()) - monday).days // 7
        measured = [
            int(row["measured"])
            for row in rows
            if row["org_unit_id"] == "SUP" and row["warning_id"].startswith("sponsor_silent")
        ]
        assert measured == ([weeks] if weeks >= 3 else []), period


def test_visible_weeks_of_every_sponsor(organisation: Organisation, true: dict[str, Any]) -> None:
    compared = 0
    for period, rows in published(organisation, "leader_indices").items():
        found = {
            (row["person_id"], row["org_unit_id"]): row
            for row in rows
            if row["subject"] == "leader" and row["index_id"] == "visible_weeks"
        }
        leaders = published(organisation, "named_leaders")[period]
        sponsors = {r["org_unit_id"]: r["person_id"] for r in leaders if r["role"] == "sponsor"}
        for unit, weeks in true["visible_weeks"].items():
            row = found[sponsors[unit], unit]
            assert [int(row["numerator"]), int(row["denominator"])] == weeks[period], (unit, period)
            compared += 1
    assert compared == 5 * SAMPLE.months


def test_commitments_of_the_leaders_indices(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    for period, rows in published(organisation, "leader_indices").items():
        found = {
            row["person_id"]: [int(row["numerator"]), int(row["denominator"])]
            for row in rows
            if row["subject"] == "leader"
            and row["index_id"] == "commitments_on_time"
            and row["denominator"]
        }
        assert found == true["commitments"][period], period


def test_reach_of_the_newest_message(organisation: Organisation, true: dict[str, Any]) -> None:
    rows = published(organisation, "message_cascade")[LAST.id]
    found = {
        row["org_unit_id"]: {
            "managers": row["managers"],
            "confirmed": row["confirmed"],
            "in_window": row["confirmed_in_window"],
        }
        for row in rows
        if row["message_id"] == "MSG-TOGETHER"
    }
    assert found == true["cascade"]["MSG-TOGETHER"]


def test_the_plan_of_a_launched_division_was_done_by_its_ninetieth_day(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    launch = date.fromisoformat(true["plans"]["OPS"]["launch_on"])
    period = Period.containing(Grain.MONTH, launch + timedelta(days=90)).id
    rows = published(organisation, "leader_plan")[period]
    through, executives = true["flagship"][period]
    late = {45: "overdue"} if through < 0.9 * executives else {}
    through_on = {
        row["person_id"]: row["first_completed_on"]
        for row in published(organisation, "fct_leaders_flagship")[period]
    }
    for unit in ("OPS", "COM"):
        items = [r for r in rows if r["org_unit_id"] == unit and r["plan_day"] <= 90]
        assert len(items) == 19
        (sponsor,) = (r["owner_person_id"] for r in items if r["plan_day"] == 35)
        # who was through the course before the programme has not completed it for the programme
        early = {35: "overdue"} if through_on[organisation.pseudonyms.of(sponsor)] < launch else {}
        left = {r["plan_day"]: r["status"] for r in items if r["status"] != "done"}
        assert left == {**late, **early}
    assert {r["org_unit_id"] for r in rows} == {"MF", "OPS", "SUP", "COM"}


def test_executives_through_the_flagship_course(
    organisation: Organisation, true: dict[str, Any]
) -> None:
    for period, rows in published(organisation, "fct_leaders_flagship").items():
        done = [row["in_numerator"] for row in rows]
        assert [sum(done), len(done)] == true["flagship"][period], period


def test_the_late_divisions_plan_runs(organisation: Organisation, true: dict[str, Any]) -> None:
    rows = published(organisation, "leader_plan")[LAST.id]
    assert {row["org_unit_id"] for row in rows} == {"COR"}
    assert {row["day_now"] for row in rows} == {true["plans"]["COR"]["day"]}
    # launched on 6 April: the town hall on the 20th, with the message of that day
    hall = next(row for row in rows if row["plan_day"] == 14)
    assert (hall["status"], hall["evidence_on"]) == ("done", date(2026, 4, 20))
    assert {row["plan_day"] for row in rows if row["due_on"] < LAST.end} == {0, 5, 10, 14, 15}
    assert {row["status"] for row in rows if row["due_on"] < LAST.end} == {"done"}
    assert {row["status"] for row in rows if row["plan_day"] > 60} == {"not_yet"}


def test_comments_reach_the_month_they_are_of(organisation: Organisation) -> None:
    rows = published(organisation, "kpi_comments")[LAST.id]
    assert {row["kpi_id"] for row in rows} == {"certification_rate", "on_time_completion_rate"}
    assert all(row["recorded_on"] == LAST.end + timedelta(days=1) for row in rows)


def test_candidates_to_decommission(organisation: Organisation, true: dict[str, Any]) -> None:
    rows = published(organisation, "decommission_candidates")[LAST.id]
    reasons = {(row["course_id"], reason) for row in rows for reason in row["reasons"].split("|")}
    planted = true["decommission"]
    assert {(course, "unused") for course in planted["unused"]} <= reasons
    assert {c for c, reason in reasons if reason == "past_review"} == set(planted["past_review"])
