"""``record``: what a person says becomes one row, or is refused with the word meant."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from orchestration.feeds.recording import Held, decision_log
from orchestration.problems import Problem

from .conftest import Run, Small


def recorded(small: Small) -> list[dict[str, str]]:
    return list(Held.read(small.settings).rows.values())


def today(small: Small) -> str:
    return datetime.now(small.settings.organisation.zone).date().isoformat()


def opened(run: Run, *more: str) -> str:
    said = run(
        *("record", "decision", "--title", "Fund it", "--right", "fund_campaign_within_limit"),
        *("--asked-on", "2026-10-01", *more),
    )
    found = re.search(r"Recorded (decision-\w+)\.", said.output)
    assert found is not None, said.output
    return found[1]


def test_an_action_by_name_and_mail_address(small: Small, run: Run) -> None:
    said = run(
        *("record", "action", "--who", "ann archer", "--kind", "town_hall", "--on", "2026-10-05"),
        *("--unit", "operations", "--by", "BOB@example.org", "--note", "=1+1"),
    )
    assert "It counts from the next ingest on." in said.output
    (row,) = recorded(small)
    assert {k: row[k] for k in row if k not in ("record_id", "recorded_at", "entry_id")} == {
        "recorded_by": "p2",
        "source": "command",
        "subject": "leader_action",
        "kind": "town_hall",
        "person_id": "p1",
        "org_unit_id": "OPS",
        "happened_on": "2026-10-05",
        "text": "=1+1",
    }


def test_the_same_command_twice_adds_one_row_and_says_so(small: Small, run: Run) -> None:
    words = ("record", "action", "--who", "p1", "--kind", "survey_run", "--on", "2026-10-05")
    run(*words)
    again = run(*words)
    assert "was recorded before: nothing was added." in again.output
    assert len(recorded(small)) == 1
    run(*words, "--note", "the second of that day")
    assert len(recorded(small)) == 2


def test_attendance_of_several(small: Small, run: Run) -> None:
    run("record", "attendance", "--who", "p1", "--who", "p2", "--sitting", "monthly")
    run("record", "attendance", "--who", "p1", "--sitting", "Manager_Forum", "--on", "2026-10-02")
    assert [(r["person_id"], r["kind"], r["text"], r["happened_on"]) for r in recorded(small)] == [
        ("p1", "review_attended", "monthly", today(small)),
        ("p2", "review_attended", "monthly", today(small)),
        ("p1", "manager_forum_attended", "manager_forum", "2026-10-02"),
    ]


def test_a_decision_from_asking_to_closing(small: Small, run: Run) -> None:
    entry = opened(run, "--amount", "2500", "--proposed-by", "p3", "--unit", "OPS")
    log = decision_log(small.settings)[entry]
    assert {k: v for k, v in log.items() if k not in ("subject", "entry_id")} == {
        "kind": "decision",
        "title": "Fund it",
        "right_id": "fund_campaign_within_limit",
        "org_unit_id": "OPS",
        "owner_role": "executive_sponsor",
        "proposed_by_person_id": "p3",
        "asked_on": "2026-10-01",
        "due_on": "2026-10-11",  # ten days, as the right has it
        "amount": "2500.00",
    }
    run("record", "decide", entry, "--by", "p1", "--outcome", "approved", "--on", "2026-10-08")
    assert "nothing was added" in opened_again(run, entry)
    run("record", "close", entry, "--on", "2026-10-20")
    log = decision_log(small.settings)[entry]
    assert (log["decided_on"], log["decided_by_person_id"]) == ("2026-10-08", "p1")
    assert (log["outcome"], log["closed_on"]) == ("approved", "2026-10-20")
    with pytest.raises(Problem, match="was closed on 2026-10-20"):
        run("record", "decide", entry, "--by", "p1", "--outcome", "declined")


def opened_again(run: Run, entry: str) -> str:
    said = run(
        *("record", "decision", "--title", "Fund it", "--right", "fund_campaign_within_limit"),
        *("--asked-on", "2026-10-01", "--amount", "2500", "--unit", "OPS"),
    )
    assert entry in said.output
    return said.output


def test_a_commitment_is_done_or_withdrawn(small: Small, run: Run) -> None:
    words = ("--due-on", "2026-11-30", "--asked-on", "2026-10-01")
    run("record", "commitment", "--title", "Free an hour", "--owner", "p2", *words)
    run("record", "commitment", "--title", "Mend it", "--owner-role", "ld_head", "--action", *words)
    commitment, action = decision_log(small.settings).values()
    assert (commitment["kind"], commitment["owner_person_id"]) == ("commitment", "p2")
    assert (action["kind"], action["owner_role"]) == ("action", "ld_head")
    run("record", "close", commitment["entry_id"])
    run("record", "close", action["entry_id"], "--outcome", "withdrawn", "--on", "2026-10-09")
    commitment, action = decision_log(small.settings).values()
    assert (commitment["outcome"], commitment["closed_on"]) == ("done", today(small))
    assert (action["outcome"], action["closed_on"]) == ("withdrawn", "2026-10-09")


def test_an_outcome_and_a_comment_are_replaced_by_later_ones(small: Small, run: Run) -> None:
    for figure in ("101.5", "102"):
        run(
            *("record", "outcome", "--unit", "OPS", "--metric", "productivity_index"),
            *("--period", "2026-Q3", "--numerator", figure, "--better", "up"),
        )
    for text in ("Peak season.", "Peak season and a late start."):
        run(
            *("record", "comment", "--kpi", "active_learner_rate", "--period", "2026-10"),
            *("--text", text, "--who", "p1"),
        )
    outcomes, comments = recorded(small)[:2], recorded(small)[2:]
    assert len({row["entry_id"] for row in outcomes}) == len({r["entry_id"] for r in comments}) == 1
    assert [Decimal(row["numerator"]) for row in outcomes] == [Decimal("101.5"), 102]
    assert {row["period_start"] for row in outcomes} == {"2026-07-01"}
    assert comments[-1]["text"] == "Peak season and a late start."
    assert (comments[-1]["period_id"], comments[-1]["person_id"]) == ("2026-10", "p1")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("action --who ane@example.org --kind email", "--who: no person is known as"),
        ("action --who Ann_Archr --kind email", "did you mean 'p1'?"),
        ("action --who Cat_Cooper --kind email", "give the person's id: p3, p5"),
        ("action --who p1 --kind emial", "did you mean 'email'?"),
        ("action --who p1 --kind email --unit OSP", "did you mean 'OPS'?"),
        ("action --who p1 --kind email --on 05/10/2026", "--on: '05/10/2026' is not a date"),
        ("action --who p1 --kind email --on 2126-01-01", "is still to come"),
        ("action --who p1 --kind email --by p9", "--by: no person is known as 'p9'"),
        ("attendance --who p1 --sitting month", "did you mean 'monthly'?"),
        ("decision --title T --right fund_campain_within_limit", "'fund_campaign_within_limit'?"),
        ("decision --title T --right set_targets --owner-role spnsor", "did you mean 'sponsor'?"),
        ("decision --title T --right set_targets --amount much", "--amount: 'much' is not a"),
        ("commitment --title T --due-on 2026-12-01", "--owner: nobody owes it"),
        (
            "commitment --title T --owner p1 --due-on 2026-01-01 --asked-on 2026-10-01",
            "--due-on: 2026-01-01 is before 2026-10-01",
        ),
        ("decide decision-0 --by p1 --outcome approved", "has no entry 'decision-0'"),
        ("close D-404", "has no entry 'D-404'"),
        ("outcome --unit OPS --metric m --period 2026-Q5 --numerator 1", "--period: '2026-Q5' is"),
        ("comment --kpi active_learner --period 2026-10 --text x", "mean 'active_learner_rate'?"),
        ("comment --kpi seat_use --period soon --text x", "--period: 'soon' is not a period"),
        ("import nothing.xlsx", "the file does not exist"),
    ],
)
def test_what_cannot_be_meant_is_refused(small: Small, run: Run, words: str, said: str) -> None:
    with pytest.raises(Problem) as caught:
        run("record", *(word.replace("_A", " A").replace("_C", " C") for word in words.split()))
    assert said in str(caught.value)
    assert recorded(small) == []


def test_a_mistake_is_taken_back_and_may_be_said_again(small: Small, run: Run) -> None:
    words = ("record", "action", "--who", "p1", "--kind", "email", "--on", "2026-10-05")
    run(*words)
    (row,) = recorded(small)
    run("record", "withdraw", row["entry_id"], "--by", "p3")
    with pytest.raises(Problem, match="was taken back before"):
        run("record", "withdraw", row["entry_id"])
    run(*words)
    assert [(r["entry_id"], r.get("outcome"), r.get("recorded_by")) for r in recorded(small)] == [
        (row["entry_id"], None, None),
        (row["entry_id"], "withdrawn", "p3"),
        (row["entry_id"], None, None),
    ]
    with pytest.raises(Problem, match="no action and no comment was recorded as 'act-0'"):
        run("record", "withdraw", "act-0")


def test_an_unknown_id_says_which_was_meant(small: Small, run: Run) -> None:
    entry = opened(run)
    with pytest.raises(Problem, match=f"did you mean '{entry}'"):
        run("record", "close", entry[:-1])


def test_without_people_and_units_every_id_is_accepted(
    small: Small, run: Run, tmp_path: Any
) -> None:
    small.lake.remove("versions", "people.parquet")
    small.lake.remove("in_force", "people.parquet")
    run("record", "action", "--who", "whoever", "--kind", "email")
    assert recorded(small)[0]["person_id"] == "whoever"


def test_nothing_of_a_row_is_logged(
    small: Small, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        run("record", "comment", "--kpi", "seat_use", "--period", "2026-10", "--text", "s3cret")
    assert "s3cret" not in caplog.text
