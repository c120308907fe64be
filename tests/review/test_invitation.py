"""The invitation: one calendar entry a sitting, moved in place, the same bytes each time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar, Event

from orchestration.problems import Problem
from orchestration.review.invitation import addressed, invitation, sealed_invitation
from orchestration.scorecard.model import Scorecard, Sitting
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from tests.review import scorecards

SENDER = "Adoption Review <adoption-review@example.org>"
LONDON = ZoneInfo("Europe/London")
SITTING = Sitting(
    name="Monthly executive review",
    starts_at=datetime(2026, 11, 12, 10, tzinfo=LONDON),
    minutes=30,
    place="Room 4.1",
    agenda=("exceptions 10", "decisions 15", "commitments 5"),
)


def card(**changes: object) -> Scorecard:
    """October's scorecard with a sitting; ``changes`` are the sitting's."""
    sitting = SITTING.model_copy(update=changes)
    return scorecards.typical().model_copy(update={"sitting": sitting})


def event_of(content: bytes | None) -> Event:
    assert content is not None
    (event,) = Calendar.from_ical(content).events
    return event


def test_the_sitting_as_a_calendar_reads_it() -> None:
    content = invitation(card(), SENDER, ["hannah.osei@example.org"])
    assert content is not None
    calendar = Calendar.from_ical(content)
    assert (calendar["method"], calendar["version"]) == ("REQUEST", "2.0")
    event = event_of(content)
    assert event.start == datetime(2026, 11, 12, 10, tzinfo=UTC)
    assert event.end == datetime(2026, 11, 12, 10, 30, tzinfo=UTC)
    assert event["summary"] == "Meridian Foods: Monthly executive review, October 2026"
    assert "Agenda, 30 minutes\nexceptions, 10 minutes\ndecisions, 15 minutes" in str(
        event["description"]
    )
    assert event["location"] == "Room 4.1"
    assert str(event["organizer"]) == "mailto:adoption-review@example.org"
    assert event["organizer"].params["CN"] == "Adoption Review"
    assert str(event["attendee"]) == "mailto:hannah.osei@example.org"
    assert event["dtstamp"].dt == datetime(2026, 10, 31, tzinfo=UTC)
    assert event["sequence"] == 0


def test_summer_time_is_the_wall_clocks() -> None:
    content = invitation(card(starts_at=datetime(2026, 7, 9, 10, tzinfo=LONDON)), SENDER)
    assert event_of(content).start == datetime(2026, 7, 9, 9, tzinfo=UTC)


def test_no_sitting_no_invitation() -> None:
    assert invitation(scorecards.typical().model_copy(update={"sitting": None}), SENDER) is None


def test_one_entry_for_a_period_whatever_else_changes() -> None:
    first = event_of(invitation(card(), SENDER))["uid"]
    moved = card(starts_at=datetime(2026, 11, 19, 14, tzinfo=LONDON), name="Executive review")
    assert event_of(invitation(moved, SENDER))["uid"] == first
    assert re.fullmatch(r"monthly-2026-10@[0-9a-f]{12}\.example\.org", str(first))
    others = [
        card().model_copy(update={"period_id": "2026-11"}),
        card().model_copy(update={"ritual": "quarterly"}),
        card().model_copy(update={"organisation": "Other Foods"}),
    ]
    assert len({first, *(event_of(invitation(other, SENDER))["uid"] for other in others)}) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"starts_at": datetime(2026, 11, 11, 10, tzinfo=LONDON)},  # earlier
        {"starts_at": datetime(2026, 11, 13, 10, tzinfo=LONDON)},  # later
        {"minutes": 45},
        {"place": None},
    ],
)
def test_a_move_raises_the_sequence_by_one(change: dict[str, object]) -> None:
    first = invitation(card(), SENDER)
    second = invitation(card(**change), SENDER, before=first)
    third = invitation(card(), SENDER, before=second)
    assert [event_of(each)["sequence"] for each in (first, second, third)] == [0, 1, 2]


def test_what_did_not_move_keeps_its_bytes() -> None:
    first = invitation(card(), SENDER)
    assert invitation(card(), SENDER) == first
    assert invitation(card(), SENDER, before=first) == first
    moved = card(minutes=45)
    second = invitation(moved, SENDER, before=first)
    assert invitation(moved, SENDER, before=second) == second
    # the same hour said in another zone is no move
    utc = card(starts_at=datetime(2026, 11, 12, 10, tzinfo=UTC))
    assert invitation(utc, SENDER, before=first) == first


def test_lines_are_folded_and_text_is_escaped() -> None:
    content = invitation(
        card(name="Review, part; two\\three", place="\u00e9" * 100),
        '"Rev\\"iew; team" <a@example.org>',
    )
    assert content is not None
    assert content.endswith(b"\r\n") and b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 75
    unfolded = content.replace(b"\r\n ", b"").decode()
    assert "Review\\, part\\; two\\\\three\\, October 2026" in unfolded
    event = event_of(content)
    assert event["location"] == "\u00e9" * 100
    assert str(event["summary"]).endswith("Review, part; two\\three, October 2026")
    assert event["organizer"].params["CN"] == "Review; team"


def test_hostile_text_stays_text() -> None:
    hostile = card(
        name=f"{scorecards.HOSTILE}\r\nATTENDEE:mailto:evil@example.com",
        agenda=("one\r\nEND:VEVENT", scorecards.HOSTILE),
    )
    content = invitation(hostile, SENDER)
    event = event_of(content)
    assert "attendee" not in event
    assert content is not None and b"\r\nATTENDEE" not in content and b"\x00" not in content
    assert "one END:VEVENT" in str(event["description"])


def test_each_recipient_is_the_attendee_of_their_own_copy() -> None:
    content = invitation(card(), SENDER)
    assert content is not None
    own = event_of(addressed(content, "Priya <priya@example.org>"))
    assert str(own["attendee"]) == "mailto:priya@example.org"
    assert own["uid"] == event_of(content)["uid"]
    assert addressed(content, "priya@example.org") == addressed(content, "priya@example.org")


def test_faults_are_clear() -> None:
    with pytest.raises(Problem, match="not one mailbox"):
        invitation(card(), "nobody")
    with pytest.raises(Problem, match="without a time zone"):
        invitation(card(starts_at=datetime(2026, 11, 12, 10)), SENDER)
    with pytest.raises(Problem, match="not a calendar file"):
        invitation(card(), SENDER, before=b"nothing")
    other = invitation(card().model_copy(update={"period_id": "2026-09"}), SENDER)
    with pytest.raises(Problem, match="another sitting"):
        invitation(card(), SENDER, before=other)


def test_a_period_without_an_edition_has_no_earlier_invitation(tmp_path: Path) -> None:
    settings = Settings(
        organisation=OrganisationSettings(name="Meridian Foods"), paths=PathSettings(home=tmp_path)
    )
    assert sealed_invitation(settings, "monthly", "2026-10") is None
