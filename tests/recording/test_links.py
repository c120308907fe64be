"""Confirmations by link: who is meant, recorded once, and from the source ``link``."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import SecretStr

from orchestration.feeds.recording import Held
from orchestration.problems import Problem
from orchestration.recording import links
from orchestration.recording.links import attended, cascaded, confirm
from orchestration.settings import ConfirmationSettings, Secrets
from tests.recording.conftest import Run, Small

MESSAGE = cascaded("launch", date(2026, 12, 1))
TODAY = date(2026, 11, 9)


@pytest.fixture(autouse=True)
def _message(small: Small) -> None:
    (small.charter / "messages.csv").write_text(
        "message_id,core_sentence,audience_org_unit_id,approver_person_id,issued_on,expires_on,"
        "occasion,business_reason,ask,ask_by,minutes,link,helper,objection,answer\n"
        "launch,Learn.,*,p1,2026-11-01,2026-12-01,launch,,,,,,,,\n"
    )


def recorded(small: Small) -> list[dict[str, str]]:
    return list(Held.read(small.settings).rows.values())


def test_a_cascade_is_recorded_once_whoever_clicks_when(small: Small) -> None:
    assert confirm(small.settings, MESSAGE, " Cat@Example.org ", TODAY)
    (row,) = recorded(small)
    entry = row["entry_id"]
    assert {name: row[name] for name in row if name not in ("record_id", "recorded_at")} == {
        "source": "link",
        "recorded_by": "p3",
        "subject": "leader_action",
        "entry_id": entry,
        "kind": "manager_cascade",
        "person_id": "p3",
        "message_id": "launch",
        "happened_on": "2026-11-09",
    }
    # again, and on another day
    assert confirm(small.settings, MESSAGE, "cat@example.org", TODAY)
    assert confirm(small.settings, MESSAGE, "cat@example.org", date(2026, 11, 10))
    assert len(recorded(small)) == 1
    assert confirm(small.settings, MESSAGE, "bob@example.org", TODAY)
    assert [row["person_id"] for row in recorded(small)] == ["p3", "p2"]


def test_what_was_withdrawn_can_be_confirmed_again(small: Small, run: Run) -> None:
    assert confirm(small.settings, MESSAGE, "cat@example.org", TODAY)
    entry = recorded(small)[0]["entry_id"]
    run("record", "withdraw", entry)
    assert confirm(small.settings, MESSAGE, "cat@example.org", TODAY)
    last = Held.read(small.settings).last(entry, "leader_action")
    assert last is not None and "outcome" not in last


def test_attendance_is_of_its_day(small: Small) -> None:
    sat = attended("monthly", date(2026, 11, 6))
    for day in (TODAY, date(2026, 11, 10)):
        assert confirm(small.settings, sat, "ann@example.org", day)
    (row,) = recorded(small)
    assert (row["kind"], row["happened_on"], row["text"], row["source"], row["person_id"]) == (
        "review_attended", "2026-11-06", "monthly", "link", "p1",
    )  # fmt: skip


@pytest.mark.parametrize(
    "address", ["", "nobody@example.org", "p3", "Cat Cooper", "eve@example.org", "%@example.org"]
)
def test_nobody_else_is_recorded(small: Small, address: str) -> None:
    """Eve has left; an id and a name are no addresses."""
    assert not confirm(small.settings, MESSAGE, address, TODAY)
    assert recorded(small) == []


def test_a_message_that_is_none_any_more_is_a_problem(small: Small) -> None:
    with pytest.raises(Problem, match="no message"):
        confirm(small.settings, cascaded("gone", date(2026, 12, 1)), "cat@example.org", TODAY)


def test_no_link_without_base_url_or_key_and_none_in_the_clear(small: Small) -> None:
    secrets = Secrets(link_key=SecretStr("k" * 40))

    def of(base: str | None, key: Secrets) -> str:
        there = ConfirmationSettings(base_url=base)
        return links.link(small.settings.model_copy(update={"confirmations": there}), MESSAGE, key)

    assert of(None, secrets) == "" and of("https://a.example.org", Secrets()) == ""
    assert of("https://a.example.org", secrets).startswith("https://a.example.org/confirm/")
    assert of("http://localhost:8025", secrets).startswith("http://localhost:8025/confirm/")
    with pytest.raises(Problem, match="not an https address"):
        of("http://a.example.org", secrets)
    with pytest.raises(Problem, match="fewer than 32 characters"):
        of("https://a.example.org", Secrets(link_key=SecretStr("k" * 31)))
