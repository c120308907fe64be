"""Recording: whole deliveries of today, nothing twice, nothing lost between two processes."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.deliveries import manifests
from orchestration.feeds.recording import Recorded, decision_log, made_id, record
from orchestration.problems import Problem
from orchestration.settings import Settings

from .conftest import Organisation

Make = Callable[..., Organisation]
NOON = datetime(2026, 10, 31, 12, tzinfo=UTC)
DAY = date(2026, 10, 31)


def opening(entry: str = "d1", **values: Any) -> dict[str, Any]:
    return {
        "source": "command",
        "subject": "decision",
        "entry_id": entry,
        "kind": "decision",
        "title": "Fund the autumn campaign",
        "asked_on": DAY,
        "due_on": "2026-11-10",
        "amount": Decimal("2500"),
        **values,
    }


def change(entry: str = "d1", **values: Any) -> dict[str, Any]:
    return {"source": "command", "subject": "decision", "entry_id": entry, **values}


def action(entry: str = "a1", **values: Any) -> dict[str, Any]:
    return {
        "source": "command",
        "subject": "leader_action",
        "entry_id": entry,
        "person_id": "p1",
        "kind": "town_hall",
        "happened_on": DAY,
        **values,
    }


def lines(file: Path | None) -> list[dict[str, Any]]:
    assert file is not None
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def made(organisation: Make) -> Organisation:
    return organisation({}, organisation={"time_zone": "Europe/London"})


def told(made: Organisation, *rows: dict[str, Any], now: datetime = NOON) -> Recorded:
    return record(made.settings, rows, now=now)


def test_a_delivery_of_today_with_what_was_recorded_before(made: Organisation) -> None:
    first = told(made, opening())
    assert first.added == ("d1",) and first.known == ()
    assert first.file == made.landing / "records" / "records_2026-10-31_001.jsonl"
    before = lines(first.file)
    (row,) = before
    assert row.pop("record_id") and row.pop("recorded_at") == "2026-10-31T12:00:00+00:00"
    assert row == {
        "source": "command",
        "subject": "decision",
        "entry_id": "d1",
        "kind": "decision",
        "title": "Fund the autumn campaign",
        "asked_on": "2026-10-31",
        "due_on": "2026-11-10",
        "amount": "2500.00",
    }
    made.one("records")
    second = told(made, action(), now=NOON + timedelta(hours=1))
    assert second.file == made.landing / "records" / "records_2026-10-31_002.jsonl"
    assert [row["entry_id"] for row in lines(second.file)] == ["d1", "a1"]
    assert lines(second.file)[:1] == lines(first.file)
    third = told(made, action("a2"), now=NOON + timedelta(hours=2))
    assert third.file == second.file  # it has not landed: it is written anew, with one row more
    assert [row["entry_id"] for row in lines(third.file)] == ["d1", "a1", "a2"]
    assert sorted(os.listdir(made.landing / "records")) == [
        "records_2026-10-31_001.jsonl",
        "records_2026-10-31_002.jsonl",
    ]


def test_a_file_replaced_while_it_lands_is_left_to_the_next_run(
    made: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.feeds.staging import Staging

    told(made, opening())
    stage = Staging.stage

    def meanwhile(self: Staging, *arguments: Any) -> Any:
        told(made, action())
        return stage(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Staging, "stage", meanwhile)
        (outcome,) = made.land("records")
        assert outcome.status == "deferred"
    manifest = made.one("records")
    assert (manifest.sequence, manifest.rows_accepted) == (1, 2)


def test_a_file_replaced_just_after_it_landed_is_landed_again(made: Organisation) -> None:
    first = told(made, opening())
    assert first.file is not None
    made.one("records")
    content = first.file.read_text()
    first.file.write_text(
        content + content.replace('"d1"', '"d2"').replace('"record_id": "', '"record_id": "x')
    )
    (outcome,) = made.land("records")
    assert outcome.manifest is not None
    assert (outcome.manifest.sequence, outcome.manifest.rows_accepted) == (2, 2)


def test_another_day_is_another_delivery_by_the_local_calendar(made: Organisation) -> None:
    told(made, action(happened_on="2026-10-20"), now=datetime(2026, 10, 24, 23, 30, tzinfo=UTC))
    told(made, action(happened_on="2026-10-24"), now=datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert sorted(os.listdir(made.landing / "records")) == [
        "records_2026-10-25_001.jsonl",  # 23:30 UTC on the 24th is 00:30 of the 25th in summer
        "records_2026-10-26_001.jsonl",
    ]


def test_the_same_again_adds_nothing(made: Organisation) -> None:
    told(made, opening(), action())
    again = told(made, opening(), action(), now=NOON + timedelta(days=3))
    assert (again.added, again.known, again.file) == ((), ("d1", "a1"), None)


def test_what_is_open_is_not_opened_again_and_a_change_may_come_back(made: Organisation) -> None:
    told(made, opening())
    assert told(made, change(due_on="2026-11-20")).added == ("d1",)
    assert told(made, opening()).added == ()  # a review published again does not undo the change
    assert told(made, change(due_on="2026-11-20")).added == ()
    assert told(made, change(due_on="2026-11-10")).added == ("d1",)  # back to the first: news
    assert decision_log(made.settings)["d1"]["due_on"] == "2026-11-10"
    ids = [row["record_id"] for row in lines(made.landing / "records/records_2026-10-31_001.jsonl")]
    assert len(set(ids)) == 3


def test_rows_of_one_entry_keep_their_order_though_the_clock_goes_back(made: Organisation) -> None:
    told(made, opening(), change(outcome="approved"))
    done = told(made, change(outcome="declined"), now=NOON - timedelta(minutes=5))
    moments = [row["recorded_at"] for row in lines(done.file)]
    assert moments == [
        "2026-10-31T12:00:00+00:00",
        "2026-10-31T12:00:00.000001+00:00",
        "2026-10-31T12:00:00.000002+00:00",
    ]


def test_a_correction_is_another_record_of_the_entry(made: Organisation) -> None:
    told(made, action())
    assert told(made, action(message_id="m1")).added == ("a1",)
    assert told(made, action(message_id="m1")).added == ()


def test_what_lies_in_the_lake_only_is_not_lost(made: Organisation) -> None:
    first = told(made, opening())
    (outcome,) = made.land("records")
    assert outcome.status == "landed"
    made.publish("records")
    assert first.file is not None
    first.file.unlink()  # cleared away after landing
    assert told(made, opening()).added == ()
    second = told(made, action())
    assert second.file is not None and second.file.name == "records_2026-10-31_002.jsonl"
    assert [row["entry_id"] for row in lines(second.file)] == ["d1", "a1"]
    assert lines(second.file)[0]["amount"] == "2500.00"


def test_recorded_rows_land_as_they_were_recorded(made: Organisation) -> None:
    told(made, opening(title='=1+1 <b>{{ "x" }}</b>\nsecond line'), action())
    manifest = made.one("records")
    assert (manifest.rows_in, manifest.rows_rejected, manifest.contract_problem) == (2, 0, None)
    columns = "entry_id, title, amount, asked_on, happened_on"
    assert sorted(made.staged(manifest, columns), key=str) == [
        ("a1", None, None, None, DAY),
        ("d1", '=1+1 <b>{{ "x" }}</b>\nsecond line', Decimal("2500.00"), DAY, None),
    ]
    again = told(made, change(closed_on=DAY))
    assert again.file is not None
    outcomes = made.land("records")
    assert [outcome.status for outcome in outcomes] == ["duplicate", "landed"]
    assert [m.sequence for m in manifests(made.lake, "records")] == [1, 2]


def test_a_day_with_999_landed_deliveries_goes_on_in_the_next(made: Organisation) -> None:
    told(made, opening())
    folder = made.landing / "records"
    os.rename(folder / "records_2026-10-31_001.jsonl", folder / "records_2026-10-31_999.jsonl")
    assert told(made, action()).file == folder / "records_2026-10-31_999.jsonl"
    assert made.one("records").sequence == 999
    full = told(made, action("a2"))
    assert full.file == folder / "records_2026-11-01_001.jsonl"
    assert [row["entry_id"] for row in lines(full.file)] == ["a2"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (action(person_id=None), "leader action without person_id, kind or happened_on"),
        (action(happened_on="2026-11-05"), "event in the future"),
        (action(happened_on="31/10/2026"), "column happened_on, row 1: the value is not a date"),
        (opening(kind="wish"), "unknown kind"),
        (opening(due_on="2026-10-01"), "due before it was asked"),
        (opening(amount="-1"), "negative amount"),
        (opening(amount="1.005"), "at most 2 decimal places"),
        (opening(amount="NaN"), "not a number"),
        (opening(title="a\x00b"), "characters that cannot be written"),
        (opening(title="x" * 4001), "longer than 4000"),
        (opening(colour="red"), "no column 'colour'"),
        (opening(record_id="r1"), "no column 'record_id'"),
        (change(), "opens nothing and changes nothing"),
        (change(subject="wish"), "unknown subject"),
        (change(subject="comment", text="x", kpi_id="k"), "comment without"),
        (change(subject="comment", text="x", kpi_id="k", period_id="2026-13"), "unknown period"),
        (change(subject="outcome", metric="m"), "outcome without"),
        (change(entry_id=None, title="x"), "column entry_id, row 1: it is missing"),
    ],
)
def test_a_row_that_landing_would_quarantine_is_refused(
    made: Organisation, row: dict[str, Any], said: str
) -> None:
    with pytest.raises(Problem, match=said.replace("(", r"\(")):
        told(made, row)
    assert not (made.landing / "records").exists()


def test_all_or_nothing(made: Organisation) -> None:
    with pytest.raises(Problem) as caught:
        told(made, opening(), action(kind=None))
    assert caught.value.row == 2
    assert not (made.landing / "records").exists()


def test_a_feed_declared_in_another_way_is_not_written(organisation: Make) -> None:
    made = organisation("records")
    with pytest.raises(Problem, match="remove that table"):
        told(made, opening())


def test_a_file_edited_by_hand_is_named(made: Organisation) -> None:
    first = told(made, opening())
    assert first.file is not None
    first.file.write_text(first.file.read_text() + "oops\n")
    with pytest.raises(Problem) as caught:
        told(made, action())
    assert (caught.value.file, caught.value.row) == (str(first.file), 2)


def _record_many(home: str, who: int, count: int) -> None:
    settings = Settings.model_validate({"organisation": {"name": "Test"}, "paths": {"home": home}})
    for number in range(count):
        record(settings, [action(f"a-{who}-{number}", message_id=f"m{number}")], now=NOON)


def test_two_processes_at_once_lose_nothing(made: Organisation) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_record_many, args=(str(made.settings.home), who, 15))
        for who in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    (file,) = (made.landing / "records").iterdir()
    assert {row["entry_id"] for row in lines(file)} == {
        f"a-{who}-{number}" for who in range(2) for number in range(15)
    }


def test_made_ids_follow_from_their_parts() -> None:
    assert made_id("act", "p1", "email", DAY, None) == made_id(
        "act", "p1", "email", "2026-10-31", ""
    )
    assert made_id("act", "p1", "email", DAY, None) != made_id("act", "p1", "email", DAY, "m1")
