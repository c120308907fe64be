"""What waits for a person is told: after a restore nobody would think of it."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestration.incidents import open_incidents
from tests.alerts.conftest import LEAD, OfficeFactory


def test_reviews_that_a_restore_holds_are_told_once_and_over_when_decided(
    open_office: OfficeFactory,
) -> None:
    office = open_office()
    state = office.state
    for ritual, period in (("monthly", "2026-09"), ("weekly", "2026-W40")):
        state.open_intent(ritual, period, opened_by="schedule")
    state.open_intent("quarterly", "2026-Q3", opened_by="schedule")
    office.watch()
    assert office.mails() == []  # what is open goes out by itself
    done = state.restored(datetime(2026, 10, 5, 2, tzinfo=UTC))
    assert done.intents == 3
    office.watch(minutes=1)
    ((to, subject),) = office.mails()
    assert to == LEAD and subject == "3 faults (3 new)"
    text = office.text()
    assert "The monthly review of September 2026 waits for a person" in text
    assert "restored from a backup of 2026-10-05 02:00 UTC; it may have been sent since" in text
    assert "`python -m orchestration intents release monthly 2026-09`" in text
    office.watch(minutes=1)
    assert len(office.mails()) == 1
    for intent in state.pending_intents():
        if intent.ritual == "weekly":
            state.cancel_intent(intent.intent_id, "it was sent")
        else:
            state.release_intent(intent.intent_id, by="person")
    office.watch(minutes=1)
    assert [subject for _, subject in office.mails()][1:] == ["3 faults (3 recovered)"]
    assert open_incidents(state) == []


def test_what_a_verdict_holds_is_the_feeds_matter(open_office: OfficeFactory) -> None:
    office = open_office()
    intent = office.state.open_intent("monthly", "2026-09", opened_by="schedule")
    office.state.hold_intent(intent.intent_id, "waiting for activity", by="close")
    office.watch()
    assert office.mails() == [] and open_incidents(office.state) == []
