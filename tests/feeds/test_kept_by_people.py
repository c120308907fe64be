"""The decision log and the records: row rules; text that looks like code stays text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from orchestration.settings import RECORDS, OrganisationSettings, Settings

from .conftest import DAY, Organisation, header, row

Make = Callable[..., Organisation]


def entry(entry_id: str, **values: object) -> str:
    return row(
        "decisions",
        **{
            "entry_id": entry_id,
            "kind": "decision",
            "title": "T",
            "asked_on": "2026-10-01",
            **values,
        },
    )


def said(**values: Any) -> str:
    given = {"recorded_at": "2026-10-31T09:00:00+00:00", "source": "command", **values}
    return json.dumps({name: value for name, value in given.items() if value is not None}) + "\n"


def test_records_are_connected_in_every_organisation() -> None:
    settings = Settings(organisation=OrganisationSettings(name="Test"))
    assert settings.feeds == {"records": RECORDS}
    assert RECORDS.required is False


def test_entries_that_cannot_be_are_quarantined_with_the_reason(organisation: Make) -> None:
    made = organisation("decisions")
    made.deliver(
        f"decisions_{DAY}.csv",
        header("decisions")
        + entry("d1", kind=" Decision")
        + entry("d2", kind="wish")
        + entry("d3", due_on="2026-09-30")
        + entry("d4", decided_on="2026-09-30")
        + entry("d5", closed_on="2026-09-30")
        + entry("d6", decided_on="2026-11-03")
        + entry("d7", amount="-1")
        + entry("d8", title="")
        + entry("d9", asked_on="")
        + entry("d1", title="again")
        + entry("d10", title='"=cmd|x"', if_not_taken="<script>{{x}}</script>"),
    )
    manifest = made.one("decisions")
    assert (manifest.rows_in, manifest.rows_accepted) == (11, 2)
    assert manifest.rejected_by_reason == {
        "unknown kind": 1,
        "due before it was asked": 1,
        "decided before it was asked": 1,
        "closed before it was asked": 1,
        "event in the future": 1,
        "negative amount": 1,
        "title is missing": 1,
        "asked_on is missing": 1,
        "duplicate key": 1,
    }
    assert made.staged(manifest, "entry_id, title, if_not_taken") == [
        ("d1", "T", None),
        ("d10", "=cmd|x", "<script>{{x}}</script>"),
    ]


def test_records_that_lack_what_their_subject_needs_are_quarantined(organisation: Make) -> None:
    made = organisation({})
    made.people("p1")
    action = {"subject": "leader_action", "person_id": "p1", "kind": "email"}
    lines = [
        said(record_id="r1", entry_id="a1", **action, happened_on="2026-10-30"),
        said(record_id="r2", entry_id="a2", **action),
        said(record_id="r3", entry_id="a3", **{**action, "person_id": "p9"},
             happened_on="2026-10-30"),
        said(record_id="r4", entry_id="a4", **action, happened_on="2026-11-03"),
        said(record_id="r5", entry_id="c1", subject="comment", text="x", kpi_id="k",
             period_id="2026-Q4"),
        said(record_id="r6", entry_id="c2", subject="comment", text="x", kpi_id="k",
             period_id="2026-Q5"),
        said(record_id="r7", entry_id="c3", subject="comment", kpi_id="k", period_id="2026-W53"),
        said(record_id="r8", entry_id="d1", subject="decision", closed_on="2026-10-30"),
        said(record_id="r9", entry_id="d1", subject="decision"),
        said(record_id="r10", entry_id="d2", subject="decision", kind="wish", title="T"),
        said(record_id="r11", entry_id="o1", subject="outcome", metric="m", numerator="1.5"),
        said(record_id="r12", entry_id="x1", subject="wish"),
        said(record_id="r1", entry_id="a1", **action, happened_on="2026-10-30"),
        said(record_id="r13", subject="decision", title="T"),
    ]  # fmt: skip
    made.deliver(f"records/records_{DAY}_001.jsonl", "".join(lines))
    manifest = made.one("records")
    assert manifest.rejected_by_reason == {
        "leader action without person_id, kind or happened_on": 1,
        "unknown person": 1,
        "event in the future": 1,
        "unknown period": 1,
        "comment without kpi_id, period_id or text": 1,
        "decision that opens nothing and changes nothing": 1,
        "unknown kind": 1,
        "outcome without org_unit_id, metric, period_start or numerator": 1,
        "unknown subject": 1,
        "duplicate key": 1,
        "entry_id is missing": 1,
    }
    assert [name for (name,) in made.staged(manifest, "record_id")] == ["r1", "r5", "r8"]
    assert manifest.newest_on == DAY


def test_a_value_of_a_late_column_that_is_no_number_is_named(organisation: Make) -> None:
    """The feed has more than 31 columns: each has its own mark."""
    made = organisation({})
    made.deliver(
        f"records/records_{DAY}_001.jsonl",
        said(record_id="r1", entry_id="o1", subject="outcome", org_unit_id="U", metric="m",
             period_start="2026-07-01", numerator="1", denominator="ten"),
    )  # fmt: skip
    (outcome,) = made.land("records")
    assert outcome.status == "refused"
    assert "column denominator, row 1: one value is not a number" in outcome.note


@pytest.mark.parametrize("delivery", ["changes", "snapshot"])
def test_an_empty_log_is_fine_where_it_comes_as_changes(organisation: Make, delivery: str) -> None:
    made = organisation({"decisions": {"delivery": delivery}})
    made.deliver(f"decisions_{DAY}.csv", header("decisions"))
    (outcome,) = made.land("decisions", date(2026, 10, 31))
    assert outcome.status == ("landed" if delivery == "changes" else "refused")
