"""What leaders do and decide: a normal organisation, each planted effect, and the truth of both."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from orchestration.periods import Grain, Period, periods_between
from orchestration.sample import PlantedEffects, SampleParameters, draw
from orchestration.sample.accountability import accountability, warnings_on
from orchestration.sample.actions import launch_of, sponsors
from orchestration.sample.content import VISIBLE_KINDS
from orchestration.sample.messages import messages
from orchestration.sample.organisation import UNSET, Organisation, to_date, to_day
from tests.sample.conftest import SMALL, Sample

LAST = Period.parse("2026-10")
NORMAL = PlantedEffects.none()


def organisation(effects: PlantedEffects = NORMAL, **more: Any) -> Organisation:
    given = {"people": 80, "months": 8, "last_month": LAST, **more}
    return draw(SampleParameters(effects=effects, **given))


def found(effects: PlantedEffects, **more: Any) -> dict[str, dict[str, Any]]:
    """The warnings of an organisation at its end, by 'warning id, unit'."""
    return {
        f"{name}, {warning['org_unit_id']}": warning
        for warning in at_the_end(organisation(effects, **more))
        for name in warning["warning_ids"]
    }


def at_the_end(drawn: Organisation) -> list[dict[str, Any]]:
    return list(warnings_on(drawn, to_day(drawn.parameters.last_day)))


def british(text: str) -> date | None:
    return datetime.strptime(text, "%d/%m/%Y").date() if text else None


@pytest.fixture(scope="module")
def actions(sample: Sample) -> list[dict[str, str]]:
    """Every action of the files, wherever it was recorded, in the spreadsheet's columns."""
    rows = [row for name in sample.names("leader_actions") for row in sample.rows(name)]
    for record in records(sample):
        if record["subject"] == "leader_action":
            rows.append(
                {
                    "ActionNo": record["entry_id"],
                    "LeaderNumber": record["person_id"],
                    "Kind": record["kind"],
                    "Audience": record["org_unit_id"],
                    "Message": record.get("message_id", ""),
                    "HappenedOn": record["happened_on"],
                }
            )
    return rows


def records(sample: Sample) -> list[dict[str, str]]:
    lines = []
    for file in sorted((sample.landing / "records").glob("*.jsonl")):
        lines += [(file.name, json.loads(line)) for line in file.read_text().splitlines()]
    for name, row in lines:
        recorded = datetime.fromisoformat(row["recorded_at"]).date()
        assert recorded <= date.fromisoformat(name.split("_")[1])
    return [row for _, row in lines]


def seed_rows(sample: Sample, name: str) -> list[dict[str, str]]:
    with open(sample.folder / "charter" / f"{name}.csv", newline="") as handle:
        return list(csv.DictReader(handle))


def logs(sample: Sample) -> dict[date, dict[str, dict[str, str]]]:
    """Snapshot date -> entry -> row of the decision log."""
    return {
        date.fromisoformat(name[13:23]): {row["EntryNo"]: row for row in sample.rows(name)}
        for name in sample.names("decision_log")
    }


# -- a normal organisation ---------------------------------------------------------------------


@pytest.mark.parametrize("months", [2, 8, 14, 26])
def test_nothing_is_amiss_where_nothing_is_planted(months: int) -> None:
    for seed in range(12):
        last = LAST.shift(-seed)
        assert not found(NORMAL, seed=seed, months=months, people=60 + 10 * seed, last_month=last)


def test_sponsors_are_never_silent_for_three_weeks_after_their_launch() -> None:
    for seed in range(20):
        drawn = organisation(seed=seed, months=14)
        table, last = drawn.actions, to_day(drawn.parameters.last_day)
        for person, unit in sponsors():
            mine = (table["person"] == person) & (table["unit"] == unit)
            mine &= np.isin(table["kind"], sorted(VISIBLE_KINDS))
            launch = to_day(launch_of(drawn, unit))
            days = [launch, *(d for d in table["day"][mine].tolist() if d > launch), last]
            assert max(np.diff(days)) < 21


def test_one_message_is_out_at_a_time_and_for_thirty_days() -> None:
    for months in (2, 5, 8, 14, 26):
        issued = messages(SampleParameters(months=months, last_month=LAST, effects=NORMAL))
        assert issued[0].occasion == "launch"
        for message in issued:
            assert message.expires_on - message.issued_on == timedelta(days=30)
            assert message.issued_on.weekday() < 5
        for earlier, later in pairwise(issued):
            assert earlier.expires_on < later.issued_on
        assert len({message.core_sentence for message in issued}) == len(issued)
        assert issued[-1].live_on(LAST.end)


# -- planted effects ---------------------------------------------------------------------------


def only(**planted: bool) -> PlantedEffects:
    return dataclasses.replace(NORMAL, **planted)


def test_the_absent_sponsor_is_a_warning_since_the_day_after_the_last_action() -> None:
    warnings = found(only(absent_sponsor=True), months=26, people=400)
    assert set(warnings) == {f"sponsor_silent_{n}, SUP" for n in (3, 4, 6)}
    warning = warnings["sponsor_silent_3, SUP"]
    assert warning["person_id"] == "E100002"
    # silent from Friday 1 May, and so in the whole of its week; the one before may be silent too
    assert warning["since_on"] in ("2026-04-20", "2026-04-27")


def test_the_sponsor_of_a_short_sample_speaks_before_falling_silent() -> None:
    drawn = organisation(only(absent_sponsor=True))
    assert drawn.parameters.launch_on == date(2026, 7, 1)
    assert drawn.parameters.silent_from == date(2026, 7, 22)
    mine = drawn.actions["person"] == 2
    days = drawn.actions["day"][mine]
    assert to_date(days.max()) < date(2026, 7, 22)
    assert "town_hall" in drawn.actions["kind"][mine]


def test_the_stale_message_is_too_old_and_then_one_of_two() -> None:
    drawn = organisation(only(stale_message=True))

    def on(day: str) -> dict[str, str]:
        warnings = warnings_on(drawn, to_day(date.fromisoformat(day)))
        return {w["warning_ids"][0]: w["since_on"] for w in warnings}

    # issued on Friday 28 August: on day 46 too old; on 19 October the newest came beside it
    assert on("2026-10-12") == {}
    assert on("2026-10-13") == on("2026-10-18") == {"old_message": "2026-10-13"}
    assert on("2026-10-19") == on("2026-10-31") == {"two_messages": "2026-10-19"}


def test_the_weak_cascade_is_that_of_one_division() -> None:
    warnings = found(only(weak_cascade=True), people=400, months=14)
    assert {name: w["since_on"] for name, w in warnings.items()} == {
        "weak_cascade, COM": "2026-10-29"
    }
    drawn = accountability(organisation(only(weak_cascade=True), people=400, months=14))
    reach = drawn["cascade"]["MSG-TOGETHER"]
    assert 0 < reach["COM"]["in_window"] < 0.5 * reach["COM"]["managers"]
    assert all(
        reach[unit]["in_window"] >= 0.8 * reach[unit]["managers"] for unit in ("OPS", "SUP", "COR")
    )


def test_the_launch_delegated_to_one_function() -> None:
    warnings = found(only(delegated_to_one_function=True))
    assert warnings["one_function, MF"]["function"] == "COR"
    silent = {name for name in warnings if name.startswith("sponsor_silent_6")}
    assert silent == {f"sponsor_silent_6, {unit}" for unit in ("MF", "OPS", "SUP", "COM")}


def test_competing_priorities() -> None:
    warnings = found(only(competing_priorities=True))
    assert set(warnings) == {"competing_initiative, OPS"}
    drawn = organisation(only(mandatory_launches=True))
    # the second is published on the 15th; the first is due on Friday 13 November, in thirty days
    # from the 14th of October
    assert {w["warning_ids"][0]: w["since_on"] for w in at_the_end(drawn)} == {
        "mandatory_launches": "2026-10-15",
        "mandatory_hours": "2026-10-14",
    }
    # six hours each for nearly everybody of the division, due within thirty days of publication
    last, table = to_day(LAST.end), drawn.enrolments
    courses = table["course"] >= 24
    notice = table["due"][courses] - table["enrolled"][courses] // 86_400
    assert set(notice.tolist()) <= {38, 39, 40}
    assert (abs(table["due"][courses] - last) < 30).all()
    divisions = np.array([unit.division for unit in drawn.units])
    here = (divisions[drawn.state_at(last).unit] == 0) & drawn.employed_on(last)
    assert 6 * courses.sum() / 2 > 4 * here.sum()


# -- the decision log --------------------------------------------------------------------------


def test_the_log_knows_nothing_of_the_days_ahead(sample: Sample) -> None:
    for day, entries in logs(sample).items():
        assert entries
        for row in entries.values():
            asked, decided, closed = (
                british(row[name]) for name in ("AskedOn", "DecidedOn", "ClosedOn")
            )
            assert asked is not None and asked <= day
            assert decided is None or asked <= decided <= day
            assert closed is None or asked <= closed <= day
            assert bool(row["DecidedBy"]) == (decided is not None)
            assert bool(row["Outcome"]) == bool(decided or closed)
            assert bool(row["Right"]) == (row["Type"] == "decision")
    last = logs(sample)[SMALL.last_day]
    assert {row["Type"] for row in last.values()} == {"decision", "action", "commitment"}
    assert {row["Origin"] for row in last.values()} == {"person", "review", "plan"}


def test_a_moved_date_is_first_seen_as_it_was(sample: Sample) -> None:
    (moved,) = sample.truth["leaders"]["log_faults"]["moved"]
    dues = [rows[moved]["DueOn"] for _, rows in sorted(logs(sample).items()) if moved in rows]
    first, later = dues[0], dues[-1]
    assert british(first) < british(later)  # type: ignore[operator]
    entry = next(e for e in sample.truth["leaders"]["log"] if e["entry_id"] == moved)
    assert entry["first_due_on"] == str(british(first))
    assert entry["first_due_on"] < entry["closed_on"] <= entry["due_on"]
    month = entry["first_due_on"][:7]
    on_time, due = sample.truth["leaders"]["commitments"][month][entry["owner_person_id"]]
    assert on_time < due


def test_one_decision_was_taken_without_the_right_and_one_waits(sample: Sample) -> None:
    faults = sample.truth["leaders"]["log_faults"]
    last = logs(sample)[SMALL.last_day]
    (stolen,) = faults["decided_without_right"]
    row = last[stolen]
    holders = {
        name
        for role in seed_rows(sample, "governance_roles")
        if role["role"] == row["OwnerRole"]
        for name in (role["person_id"], role["deputy_person_id"])
    }
    assert row["OwnerRole"] == "executive_sponsor"
    assert row["DecidedBy"] and row["DecidedBy"] not in holders
    waiting = [last[entry] for entry in faults["waiting"]]
    assert all(british(row["DueOn"]) < SMALL.last_day for row in waiting)  # type: ignore[operator]
    weeks = [(SMALL.last_day - british(row["AskedOn"])).days / 7 for row in waiting]  # type: ignore[operator]
    assert max(weeks) > 6


def test_commitments_by_their_original_date_recounted_from_the_files(sample: Sample) -> None:
    due: dict[str, date] = {}
    for _, entries in sorted(logs(sample).items()):
        for number, row in entries.items():
            if row["Type"] == "commitment":
                due.setdefault(number, british(row["DueOn"]) or date.max)
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    last = logs(sample)[SMALL.last_day]
    for number, day in due.items():
        if day <= SMALL.last_day:
            closed = british(last[number]["ClosedOn"])
            pair = counts[f"{day:%Y-%m}", last[number]["OwnerNumber"]]
            pair[0] += closed is not None and closed <= day
            pair[1] += 1
    true = sample.truth["leaders"]["commitments"]
    assert dict(counts) == {
        (month, person): pair
        for month, people in true.items()
        if "Q" not in month
        for person, pair in people.items()
    }
    assert len(counts) > 5


def test_decisions_of_the_last_review(sample: Sample) -> None:
    last = logs(sample)[SMALL.last_day].values()
    asked = [r for r in last if r["AskedIn"] == "2026-09" and r["Type"] == "decision"]
    done = [row for row in asked if row["DecidedOn"]]
    assert sample.truth["leaders"]["reviews"]["2026-09"] == [len(done), len(asked)]
    assert len(asked) == 3 and 0 < len(done) < 3


# -- sponsors, messages and comments -----------------------------------------------------------


def test_visible_weeks_recounted_from_the_files(
    sample: Sample, actions: list[dict[str, str]]
) -> None:
    units = {row["UnitCode"]: row for row in sample.rows(f"org_units_{SMALL.last_day}.csv")}
    true = sample.truth["leaders"]["visible_weeks"]
    assert {unit for unit, row in units.items() if row["SponsorNumber"]} == set(true)
    for period in periods_between(Grain.MONTH, date(2026, 1, 1), SMALL.last_day):
        end = period.end + timedelta(days=1)
        sunday = end - timedelta(days=end.weekday() + 1)
        for unit, by_period in true.items():
            weeks = set()
            for row in actions:
                day = date.fromisoformat(row["HappenedOn"])
                if (
                    row["LeaderNumber"] == units[unit]["SponsorNumber"]
                    and row["Audience"] in (unit, "MF")
                    and row["Kind"] in VISIBLE_KINDS
                    and sunday - timedelta(days=91) < day <= sunday
                ):
                    weeks.add(day.isocalendar()[:2])
            assert by_period[period.id] == [len(weeks), 13], (unit, period)


def test_cascade_recounted_from_the_files(sample: Sample, actions: list[dict[str, str]]) -> None:
    newest = seed_rows(sample, "messages")[-1]
    assert newest["message_id"] == "MSG-TOGETHER"
    issued = date.fromisoformat(newest["issued_on"])
    people = sample.rows(f"people_{SMALL.last_day}.csv")
    here = [
        row
        for row in people
        if british(row["HireDate"]) <= SMALL.last_day  # type: ignore[operator]
        and (british(row["LeavingDate"]) or date.max) > SMALL.last_day
    ]
    managers = {row["ManagerNumber"] for row in here} - {"-"}
    managers |= {row["EmployeeNumber"] for row in here if row["LeaderLevel"] == "manager"}
    confirmed = {
        row["LeaderNumber"]
        for row in actions
        if row["Message"] == "MSG-TOGETHER"
        and row["Kind"] == "manager_cascade"
        and date.fromisoformat(row["HappenedOn"]) <= issued + timedelta(days=10)
    }
    # nobody came into a manager's place between the issue and the end, so both sets are as then
    true = sample.truth["leaders"]["cascade"]["MSG-TOGETHER"]["MF"]
    assert true == {
        "managers": len(managers),
        "confirmed": len(managers & confirmed),
        "in_window": len(managers & confirmed),
    }
    assert managers - confirmed == {"E100002"}  # the absent sponsor


def test_a_message_is_due_for_the_kit_of_the_last_month(sample: Sample) -> None:
    newest = seed_rows(sample, "messages")[-1]
    assert newest["issued_on"][:7] == LAST.id
    assert newest["expires_on"] > LAST.end.isoformat()
    assert all(newest.values())
    assert len(newest["core_sentence"].split()) < 20


def test_plans_start_on_different_days(sample: Sample) -> None:
    rows = {row["org_unit_id"]: row for row in seed_rows(sample, "programme")}
    late = rows.pop("COR")
    assert late["launch_on"] == "2026-10-05"
    assert {row["launch_on"] for row in rows.values()} == {SMALL.launch_on.isoformat()}
    for row in (late, *rows.values()):
        launch = date.fromisoformat(row["launch_on"])
        assert launch < date.fromisoformat(row["town_hall_on"]) <= launch + timedelta(days=14)
        assert launch < date.fromisoformat(row["first_review_on"]) <= launch + timedelta(days=30)
    assert sample.truth["leaders"]["plans"]["COR"] == {"launch_on": "2026-10-05", "day": 26}


def test_the_plan_of_a_launched_division_is_done_in_time() -> None:
    """What leaders must have done by the days that the charter names, in a normal organisation."""
    drawn = organisation(months=14)
    launch = to_day(drawn.parameters.launch_on)
    table = drawn.actions
    due = {
        "town_hall": (14, 1),
        "email": (15, 1),
        "time_freed": (50, 1),
        "manager_forum_attended": (55, 2),
        "learner_recognised": (60, 5),
    }
    for person, unit in sponsors()[1:4]:
        for kind, (day, count) in due.items():
            mine = (table["kind"] == kind) & (table["unit"] == unit) & (table["person"] == person)
            inside = (table["day"] >= launch) & (table["day"] <= launch + day)
            assert (mine & inside).sum() >= count, (kind, unit)
    decisions = {
        e.right: e.decided_on - launch for e in drawn.log if e.source == "plan" and e.unit == UNSET
    }
    assert decisions["set_targets"] <= 10
    assert decisions["fund_campaign_within_limit"] <= 30
    assert decisions["decommission_elective"] <= 70
    assert decisions["scale_adjust_stop"] <= 90
    flagship = drawn.enrolments["course"] == 11
    for person, _ in sponsors()[:4]:
        done = drawn.enrolments["completed"][flagship & (drawn.enrolments["person"] == person)]
        assert done.min() // 86_400 <= launch + 35


def test_comments_come_on_the_morning_after_the_month(sample: Sample) -> None:
    comments = [row for row in records(sample) if row["subject"] == "comment"]
    latest = [row for row in comments if row["period_id"] == LAST.id]
    assert {row["kpi_id"] for row in latest} == {"on_time_completion_rate", "certification_rate"}
    assert {row["recorded_at"][:10] for row in latest} == {"2026-11-01"}
    owners = {row["role"]: row["person_id"] for row in seed_rows(sample, "governance_roles")}
    by = {row["kpi_id"]: row["person_id"] for row in latest}
    assert by["on_time_completion_rate"] == owners["compliance_owner"]
    assert by["certification_rate"] == owners["ld_head"]


def test_candidates_to_decommission(sample: Sample) -> None:
    """Recounted from the files: one course nobody takes, one most give up, one past its review."""
    planted = sample.truth["leaders"]["decommission"]
    assert planted == {
        "unused": ["ELE-STOC"],
        "failing": ["ELE-SHEE"],
        "past_review": ["ELE-NEGO"],
    }
    last = SMALL.last_day.isoformat()
    catalogue = sample.rows(f"course_catalogue_{last}.csv")
    assert [r["CourseCode"] for r in catalogue if r["ReviewDue"] < last] == planted["past_review"]
    rows = sample.rows(f"enrolments_{last}.csv")
    assert not [row for row in rows if row["CourseCode"] == "ELE-STOC"]
    ended = [row["Status"] for row in rows if row["CourseCode"] == "ELE-SHEE"]
    assert 0 < ended.count("completed") < ended.count("cancelled")
