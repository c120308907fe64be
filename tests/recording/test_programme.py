"""``start``: a programme opens with a sponsor, a town hall and a first review, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from orchestration.problems import Problem
from orchestration.recording.programme import Start, start
from orchestration.settings import load_settings
from orchestration.warehouse.charter import assemble_charter, read_seed

from .conftest import DAY, Run, Small

TODAY = date(2026, 11, 23)
WANTED = Start(
    unit="OPS",
    launch_on=date(2026, 12, 1),
    town_hall_on=date(2026, 12, 10),
    first_review_on=date(2026, 12, 31),
    sponsor="Ann Archer",
    deputy="p2",
    metric="productivity_index",
    lag=2,
)


def rows(file: Path) -> list[dict[str, str]]:
    return [row for _, row in read_seed(file.stem, file)]


def refusal(small: Small, wanted: Start) -> Problem:
    before = {file.name: file.read_bytes() for file in small.charter.iterdir()}
    with pytest.raises(Problem) as caught:
        start(small.settings, wanted, TODAY)
    assert {file.name: file.read_bytes() for file in small.charter.iterdir()} == before
    assert caught.value.remedy
    return caught.value


def test_a_programme_opens(small: Small) -> None:
    started = start(small.settings, WANTED, TODAY)
    assert (started.sponsor, started.day_90) == ("p1", date(2027, 3, 1))
    assert started.vacancies == ("operator", "measurer")
    assert rows(small.charter / "programme.csv") == [
        {
            "org_unit_id": "OPS",
            "launch_on": "2026-12-01",
            "outcome_metric": "productivity_index",
            "outcome_lag_quarters": "2",
            "core_sentence": "",
            "valid_from": "2026-11-23",
            "town_hall_on": "2026-12-10",
            "first_review_on": "2026-12-31",
        }
    ]
    assert rows(small.charter / "governance_roles.csv") == [
        {
            "role": "sponsor",
            "org_unit_id": "OPS",
            "person_id": "p1",
            "deputy_person_id": "p2",
            "valid_from": "2026-11-23",
            "valid_to": "",
        }
    ]
    assert assemble_charter(small.settings)


def test_the_command(small: Small, run: Run) -> None:
    said = run(
        *("start", "--unit", "Operations", "--launch-on", "2026-12-01"),
        *("--town-hall-on", "2026-12-10", "--first-review-on", "2026-12-31"),
        *("--sponsor", "p1", "--deputy", "p2", "--operator", "p3", "--metric", "churn"),
    ).output
    assert "The programme of OPS is open: sponsor p1, day 0 on 2026-12-01, day 90 on" in said
    assert "Vacant: measurer." in said and "Vacant: operator" not in said
    assert "Vacant: deputy" not in said


def test_the_sponsor_of_the_newest_snapshot_will_do(small: Small) -> None:
    started = start(small.settings, replace(WANTED, unit="SALES", sponsor=None, deputy=None), TODAY)
    assert started.sponsor == "p2"
    assert started.vacancies == ("operator", "measurer", "deputy")
    assert not (small.charter / "governance_roles.csv").exists()


def test_a_sponsor_of_the_units_own_gets_a_deputy_by_a_row(small: Small) -> None:
    started = start(small.settings, replace(WANTED, unit="SALES", sponsor=None, deputy="p1"), TODAY)
    assert started.sponsor == "p2" and "deputy" not in started.vacancies
    (row,) = rows(small.charter / "governance_roles.csv")
    assert (row["person_id"], row["deputy_person_id"]) == ("p2", "p1")


def test_a_sponsor_of_the_charter_will_do_and_the_whole_takes_the_executive_one(
    small: Small,
) -> None:
    roles = small.charter / "governance_roles.csv"
    roles.write_text(
        "role,org_unit_id,person_id,deputy_person_id,valid_from,valid_to\n"
        "sponsor,OPS,p3,,2026-01-01,\nexecutive_sponsor,*,p1,p2,2026-01-01,\n"
    )
    before = roles.read_bytes()
    named = replace(WANTED, sponsor=None, deputy=None)
    assert start(small.settings, named, TODAY).sponsor == "p3"
    whole = start(small.settings, replace(named, unit="*"), TODAY)
    assert whole.sponsor == "p1" and "deputy" not in whole.vacancies
    assert roles.read_bytes() == before


def test_other_rows_stay_byte_for_byte(small: Small) -> None:
    programme = small.charter / "programme.csv"
    before = (
        b"\xef\xbb\xbflaunch_on,org_unit_id,outcome_metric,outcome_lag_quarters,core_sentence,"
        b"valid_from,town_hall_on,first_review_on\r\n"
        b'2026-01-05, SALES ,x,1,"We, ""all""\r\nlearn",2026-01-01,,\r\n'
        b"\r\n2026-02-05,ALL,,,,2026-01-01,,"
    )
    programme.write_bytes(before)
    start(small.settings, WANTED, TODAY)
    assert programme.read_bytes() == before + (
        b"\r\n2026-12-01,OPS,productivity_index,2,,2026-11-23,2026-12-10,2026-12-31\r\n"
    )


def test_a_file_of_an_earlier_version_gets_the_columns_it_lacks(small: Small) -> None:
    programme = small.charter / "programme.csv"
    programme.write_text(
        "org_unit_id,launch_on,outcome_metric,outcome_lag_quarters,core_sentence,valid_from\n"
        "SALES,2026-01-05,x,1,We learn,2026-01-01\n"
    )
    start(small.settings, WANTED, TODAY)
    assert programme.read_text() == (
        "org_unit_id,launch_on,outcome_metric,outcome_lag_quarters,core_sentence,valid_from,"
        "town_hall_on,first_review_on\n"
        "SALES,2026-01-05,x,1,We learn,2026-01-01,,\n"
        "OPS,2026-12-01,productivity_index,2,,2026-11-23,2026-12-10,2026-12-31\n"
    )


def test_a_restart_is_asked_for(small: Small) -> None:
    start(small.settings, WANTED, TODAY)
    again = replace(WANTED, launch_on=date(2026, 12, 7), sponsor=None, deputy=None)
    assert "its launch is of 2026-12-01" in str(refusal(small, again))
    start(small.settings, replace(again, restart=True), TODAY)  # the same day: a slip mended
    assert [r["launch_on"] for r in rows(small.charter / "programme.csv")] == ["2026-12-07"]
    later = replace(again, restart=True, launch_on=date(2026, 12, 8))
    start(small.settings, later, date(2026, 12, 2))
    assert [(r["launch_on"], r["valid_from"]) for r in rows(small.charter / "programme.csv")] == [
        ("2026-12-07", "2026-11-23"),
        ("2026-12-08", "2026-12-02"),
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sponsor": None, "deputy": None}, "OPS has no named sponsor"),
        ({"sponsor": None}, "OPS has no named sponsor"),
        ({"town_hall_on": None}, "no town hall has a date"),
        ({"town_hall_on": date(2026, 11, 30)}, "is before launch"),
        ({"town_hall_on": date(2026, 12, 16)}, "is too late"),
        ({"first_review_on": None}, "no first review has a date"),
        ({"first_review_on": date(2027, 1, 1)}, "of 2027-01-01 is too late"),
        ({"first_review_on": date(2026, 12, 1)}, "is not after launch"),
        ({"unit": "OSP"}, "did you mean 'OPS'?"),
        ({"sponsor": "An Archer"}, "did you mean 'p1'?"),
        ({"sponsor": "p6"}, "p6 left on 2026-09-01 and cannot be sponsor"),
        ({"deputy": "p6"}, "cannot be deputy"),
        ({"deputy": "p1"}, "nobody is their own deputy"),
        ({"operator": "nobody"}, "no person is known as 'nobody'"),
        ({"restart": True}, "has never started"),
    ],
)
def test_a_start_is_refused(small: Small, changed: dict[str, object], said: str) -> None:
    assert said in str(refusal(small, replace(WANTED, **changed)))  # type: ignore[arg-type]


def test_the_metric_is_one_that_is_delivered(small: Small) -> None:
    (small.landing / f"outcomes_{DAY}.csv").write_text(
        "org_unit_id,metric,period_start,numerator\nOPS,productivity_index,2026-07-01,1\n"
    )
    lines = small.file.read_text().split("[feeds.business_outcomes]")[0]
    small.file.write_text(
        lines + "[feeds.business_outcomes]\nfiles = { outcomes = 'outcomes_{date}.csv' }\n"
        "[feeds.business_outcomes.columns]\norg_unit_id = 'org_unit_id'\nmetric = 'metric'\n"
        "period_start = 'period_start'\nnumerator = 'numerator'\n"
    )
    small.settings = load_settings(small.file)
    small.take("business_outcomes")
    problem = refusal(small, replace(WANTED, metric="productivity"))
    assert "did you mean 'productivity_index'?" in str(problem)
    start(small.settings, WANTED, TODAY)


def test_the_bounds_are_those_of_the_plan(small: Small) -> None:
    plan = (
        "day,phase,action,owner_role,evidence_kind,target,evidence\n"
        "5,visible_start,Hold the launch town hall,sponsor,leader_action,1,town_hall\n"
        "20,visible_start,Hold the first review,sponsor,decision_log,1,fund_campaign_within_limit\n"
    )
    (small.charter / "engagement_plan.csv").write_text(plan)
    assert "from 2026-12-01 to 2026-12-06" in str(refusal(small, WANTED))
    wanted = replace(WANTED, town_hall_on=date(2026, 12, 6))
    assert "by 2026-12-21" in str(refusal(small, wanted))
    start(small.settings, replace(wanted, first_review_on=date(2026, 12, 21)), TODAY)


def test_a_sponsor_in_office_is_not_replaced_in_passing(small: Small) -> None:
    (small.charter / "governance_roles.csv").write_text(
        "role,org_unit_id,person_id,deputy_person_id,valid_from,valid_to\n"
        "sponsor,OPS,p3,,2026-01-01,\n"
    )
    assert "OPS has a sponsor already: p3" in str(refusal(small, WANTED))
    kept = replace(WANTED, sponsor="p3")
    assert "stands in governance_roles already" in str(refusal(small, kept))
    assert start(small.settings, replace(kept, deputy=None), TODAY).sponsor == "p3"


def test_a_charter_that_is_not_valid_is_not_touched(small: Small) -> None:
    (small.charter / "programme.csv").write_text("unit,launch_on\nOPS,2026-01-01\n")
    problem = refusal(small, WANTED)
    assert problem.file == str(small.charter / "programme.csv")


def test_a_sentence_that_is_formula_or_markup_stays_text(small: Small) -> None:
    start(small.settings, replace(WANTED, core_sentence='=1+1, <b>"x"</b>'), TODAY)
    assert rows(small.charter / "programme.csv")[0]["core_sentence"] == '=1+1, <b>"x"</b>'


def test_without_a_charter_folder_there_is_nowhere_to_write(small: Small) -> None:
    lines = [line for line in small.file.read_text().splitlines() if "charter = " not in line]
    small.file.write_text("\n".join(lines))
    with pytest.raises(Problem, match="no charter folder"):
        start(load_settings(small.file), WANTED, TODAY)
