"""Sealing and delivering: what was published is frozen, and nobody gets it twice."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery import editions
from orchestration.delivery.channels import (
    Accepted,
    Failed,
    Outcome,
    Retry,
    Unknown,
    open_channel,
)
from orchestration.delivery.editions import (
    DeliveryReport,
    RetryPolicy,
    deliver,
    dry_run,
    seal,
    verify,
)
from orchestration.delivery.message import OutgoingMessage
from orchestration.delivery.recipients import Audience, Refusal
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.state import Edition, SendStatus, State
from tests.delivery.conftest import (
    PERIOD,
    PROVENANCE,
    Clock,
    make_audience,
    make_draft,
    make_settings,
    seal_edition,
)

ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"


class ScriptedChannel:
    """Answers what it is told; counts what it accepted, as a server would."""

    name = "scripted"

    def __init__(self, *outcomes: Outcome | type[BaseException]) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[str] = []
        self.accepted: Counter[str] = Counter()
        self.subjects: set[str] = set()
        self.before: Callable[[OutgoingMessage], None] = lambda _: None

    def send(self, message: OutgoingMessage) -> Outcome:
        self.calls.append(message.recipient.address)
        self.subjects.add(message.subject)
        self.before(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Accepted("m")
        if isinstance(outcome, type):
            raise outcome("canary words of the error")
        if isinstance(outcome, Accepted):
            self.accepted[message.recipient.address] += 1
        return outcome


def statuses(state: State, edition: Edition) -> dict[str, str]:
    return {row.recipient: row.status for row in state.ledger_rows("edition", edition.edition_id)}


def numbers(report: DeliveryReport) -> tuple[Any, ...]:
    return (
        report.mode,
        report.sent,
        report.accepted,
        report.failed,
        report.unknown,
        report.still_planned,
    )


# ---- sealing -------------------------------------------------------------------------------


def test_a_sealed_edition_is_a_read_only_copy(
    state: State, settings: Settings, draft: Path
) -> None:
    edition = seal_edition(state, settings, draft, ADA, BOB)
    folder = Path(edition.folder)
    assert folder == settings.home / "editions/monthly/2026-10/edition-1"
    described = json.loads((folder / "edition.json").read_text())
    assert described["edition_id"] == "monthly-2026-10-edition-1"
    assert described["content_hash"] == edition.content_hash
    assert set(described["files"]) == {file.name for file in draft.iterdir()}
    for file in draft.iterdir():
        copy = folder / file.name
        assert copy.read_bytes() == file.read_bytes()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o444
    assert "ada" not in (folder / "edition.json").read_text()
    assert [r.recipient for r in state.recipients(edition.edition_id)] == [ADA, BOB]
    assert state.latest_edition("monthly", "2026-10") == edition
    assert [p.name for p in folder.parent.iterdir()] == ["edition-1"]
    verify(edition)


def test_without_an_intent_nothing_is_sealed(state: State, settings: Settings, draft: Path) -> None:
    with pytest.raises(Problem, match="nobody has opened"):
        seal(state, settings, "monthly", PERIOD, draft, make_audience(ADA), PROVENANCE)
    assert not (settings.home / "editions").exists()


def test_a_held_intent_is_not_sealed(state: State, settings: Settings, draft: Path) -> None:
    intent = state.open_intent("monthly", PERIOD.id, opened_by="schedule")
    state.hold_intent(intent.intent_id, "the board meets later", by="person")
    with pytest.raises(Problem, match="held: the board meets later"):
        seal(state, settings, "monthly", PERIOD, draft, make_audience(ADA), PROVENANCE)
    assert list((settings.home / "editions/monthly/2026-10").iterdir()) == []


def test_an_edition_without_recipients_is_not_sealed(
    state: State, settings: Settings, draft: Path
) -> None:
    state.open_intent("monthly", PERIOD.id, opened_by="schedule")
    nobody = Audience((), (Refusal("ld_head", "U1", "the domain is not in allowed_domains", EVE),))
    with pytest.raises(Problem, match="no recipient") as caught:
        seal(state, settings, "monthly", PERIOD, draft, nobody, PROVENANCE)
    assert EVE not in str(caught.value)


def test_sealing_again_returns_the_sealed_edition(
    state: State, settings: Settings, draft: Path
) -> None:
    first = seal_edition(state, settings, draft, ADA)
    make_draft(draft, "late data")
    assert seal_edition(state, settings, draft, ADA, BOB) == first
    deliver(state, settings, first, ScriptedChannel(), "run")
    assert seal_edition(state, settings, draft, ADA, BOB) == first
    verify(first)


def test_a_restatement_is_a_new_edition(state: State, settings: Settings, draft: Path) -> None:
    first = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel()
    deliver(state, settings, first, channel, "run")
    before = {f.name: f.read_bytes() for f in Path(first.folder).iterdir()}
    make_draft(draft, "late data")
    state.open_intent("monthly", PERIOD.id, opened_by="person", restates=True)
    audience = make_audience(ADA, BOB)
    second = seal(state, settings, "monthly", PERIOD, draft, audience, PROVENANCE)
    assert (second.number, second.restates) == (2, first.edition_id)
    assert seal(state, settings, "monthly", PERIOD, draft, audience, PROVENANCE) == second
    assert numbers(deliver(state, settings, first, channel, "run-2"))[:2] == ("archived", 0)
    assert numbers(deliver(state, settings, second, channel, "run-2"))[:2] == ("sent", 2)
    assert channel.accepted == {ADA: 2, BOB: 1}
    assert {f.name: f.read_bytes() for f in Path(first.folder).iterdir()} == before


def test_a_restatement_of_nothing_sends_nothing(
    state: State, settings: Settings, draft: Path
) -> None:
    first = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel()
    deliver(state, settings, first, channel, "run")
    state.open_intent("monthly", PERIOD.id, opened_by="person", restates=True)
    again = seal(state, settings, "monthly", PERIOD, draft, make_audience(ADA), PROVENANCE)
    assert again == first
    assert state.pending_intents() == []
    assert deliver(state, settings, again, channel, "run").mode == "archived"
    assert channel.accepted == {ADA: 1}


@pytest.mark.parametrize("point", ["before rename", "after rename", "at the row"])
def test_a_crash_while_sealing_leaves_nothing_published(
    state: State, settings: Settings, draft: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    place = editions._into_place

    def place_and_die(aside: Path, folder: Path) -> None:
        place(aside, folder)
        raise Killed

    state.open_intent("monthly", PERIOD.id, opened_by="schedule")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)  # no clean-up either
        if point == "at the row":
            patch.setattr("orchestration.state.Sealing.commit", die)
        else:
            patch.setattr(
                editions, "_into_place", die if point == "before rename" else place_and_die
            )
        with pytest.raises(Killed):
            seal(state, settings, "monthly", PERIOD, draft, make_audience(ADA), PROVENANCE)
    assert state.latest_edition("monthly", PERIOD.id) is None
    make_draft(draft, "a later draft")
    edition = seal_edition(state, settings, draft, ADA)
    verify(edition)
    assert "a later draft" in (Path(edition.folder) / "email.txt").read_text()
    for left in Path(edition.folder).parent.glob(".aside-*"):
        os.utime(left, (0, 0))
    seal_edition(state, settings, draft, ADA)
    editions._remove_stale(Path(edition.folder).parent)
    assert not list(Path(edition.folder).parent.glob(".aside-*"))


@pytest.mark.parametrize("restates", [False, True])
def test_many_seal_at_once_and_one_edition_results(
    state: State, settings: Settings, tmp_path: Path, restates: bool
) -> None:
    if restates:
        first = seal_edition(state, settings, make_draft(tmp_path / "draft"), ADA)
        deliver(state, settings, first, ScriptedChannel(), "run")
    state.open_intent("monthly", PERIOD.id, opened_by="person", restates=restates)
    barrier = threading.Barrier(6)

    def seal_one(number: int) -> Edition:
        own = make_draft(tmp_path / f"draft-{number}", f"draft {number}")
        barrier.wait()
        return seal(state, settings, "monthly", PERIOD, own, make_audience(ADA), PROVENANCE)

    with ThreadPoolExecutor(6) as pool:
        sealed = set(pool.map(seal_one, range(6)))
    assert len(sealed) == 1
    (edition,) = sealed
    verify(edition)
    names = ["edition-1", "edition-2"][: 1 + restates]
    assert sorted(p.name for p in Path(edition.folder).parent.iterdir()) == names
    assert len(state.editions()) == len(names)


def test_a_full_disk_seals_nothing_and_says_so(
    state: State, settings: Settings, draft: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    state.open_intent("monthly", PERIOD.id, opened_by="schedule")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Problem, match="No space left"):
            seal(state, settings, "monthly", PERIOD, draft, make_audience(ADA), PROVENANCE)
    assert state.latest_edition("monthly", PERIOD.id) is None
    assert list((settings.home / "editions/monthly/2026-10").iterdir()) == []


def change_email(draft: Path, **values: Any) -> None:
    file = draft / "email.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    "values",
    [
        {"subject": "October\r\nBcc: eve@evil.com"},
        {"subject": ""},
        {"subject": None},
        {"html": "../../../../etc/passwd"},
        {"html": "/etc/passwd"},
        {"text": "missing.txt"},
        {"text": "review-pack.pdf"},
        {"inline": [{"cid": "a\r\nX: y", "file": "scorecard.png"}]},
        {"inline": [{"file": "scorecard.png", "cid": "<>"}]},
        {"attachments": [{"file": "..", "name": "x"}]},
        {"attachments": [{"file": "review-pack.pdf", "name": 'x"\r\nBcc: y'}]},
        {"attachments": [{"file": "review-pack.pdf", "media_type": "a/b\r\nBcc: y"}]},
        {"attachments": ["review-pack.pdf"]},
    ],
)
def test_an_email_that_could_do_harm_is_not_sealed(
    state: State, settings: Settings, draft: Path, values: dict[str, Any]
) -> None:
    change_email(draft, **values)
    with pytest.raises(Problem):
        seal_edition(state, settings, draft, ADA)
    assert state.latest_edition("monthly", PERIOD.id) is None


def test_a_link_out_of_the_draft_is_not_sealed(
    state: State, settings: Settings, draft: Path
) -> None:
    (draft / "more.txt").symlink_to("/etc/passwd")
    with pytest.raises(Problem, match="symbolic"):
        seal_edition(state, settings, draft, ADA)


# ---- delivering ----------------------------------------------------------------------------


def test_from_the_draft_to_the_outbox(state: State, settings: Settings, draft: Path) -> None:
    edition = seal_edition(state, settings, draft, ADA, BOB)
    make_draft(draft, "late data")
    report = deliver(state, settings, edition, open_channel(settings), "run-1")
    assert report == DeliveryReport(
        "sent", 1, "Adoption review — October 2026", sent=2, accepted=2, settled=True
    )
    mails = sorted((settings.home / "outbox").iterdir())
    before = [mail.read_bytes() for mail in mails]
    assert len(mails) == 2
    assert all(b"late data" not in content for content in before)
    again = deliver(state, settings, edition, open_channel(settings), "run-2")
    assert numbers(again) == ("archived", 0, 2, 0, 0, 0)
    assert [mail.read_bytes() for mail in sorted((settings.home / "outbox").iterdir())] == before
    assert state.delivery_summary(edition) == "Edition 1 of 2026-10: 2 accepted."


def test_every_outcome_has_its_row(state: State, settings: Settings, draft: Path) -> None:
    addresses = [f"r{n}@example.org" for n in range(5)]
    edition = seal_edition(state, settings, draft, *addresses)
    channel = ScriptedChannel(
        Accepted("m-1"), Failed("550 no such user"), Unknown("timeout"), Retry("x", halts=True)
    )
    report = deliver(state, settings, edition, channel, "run")
    assert numbers(report) == ("sent", 1, 1, 1, 1, 2)
    assert not report.settled and report.faults == ("x",)
    assert channel.calls == addresses[:4]  # what is refused to all is not asked for each
    report = deliver(state, settings, edition, channel, "run-2")
    assert numbers(report) == ("sent", 2, 3, 1, 1, 0)
    assert report.settled
    assert channel.calls == [*addresses[:4], *addresses[3:]]
    rows = state.ledger_rows("edition", edition.edition_id)
    assert rows[0].provider_message_id == "m-1"
    assert [row.detail for row in rows[1:3]] == ["550 no such user", "timeout"]
    assert max(channel.accepted.values()) == 1


def test_retries_are_bounded_and_wait_as_told(
    state: State, settings: Settings, draft: Path
) -> None:
    clock = Clock()
    state.now = clock.now
    edition = seal_edition(state, settings, draft, ADA, BOB)
    channel = ScriptedChannel(
        Retry("busy"), Retry("limit", after=7.0), Accepted("m"), *[Retry("busy")] * 4
    )
    report = deliver(state, settings, edition, channel, "run", sleep=clock.sleep)
    assert clock.slept == [1.0, 7.0, 1.0, 2.0, 4.0]
    assert channel.calls == [ADA] * 3 + [BOB] * 4
    assert numbers(report) == ("sent", 1, 1, 0, 0, 1)
    assert state.pending_intents() != []
    assert deliver(state, settings, edition, channel, "run-2", sleep=clock.sleep).settled
    assert channel.accepted == {ADA: 1, BOB: 1}


def test_a_long_wait_is_left_to_a_later_run(state: State, settings: Settings, draft: Path) -> None:
    clock = Clock()
    state.now = clock.now
    edition = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel(Retry("limit", after=600.0))
    report = deliver(state, settings, edition, channel, "run", sleep=clock.sleep)
    assert (report.still_planned, clock.slept) == (1, [])
    clock.sleep(599)
    assert deliver(state, settings, edition, channel, "run-2").still_planned == 1
    assert channel.calls == [ADA]  # not before the limit is lifted
    clock.sleep(1)
    assert deliver(state, settings, edition, channel, "run-3").settled


def test_one_run_waits_only_so_long_in_all(state: State, settings: Settings, draft: Path) -> None:
    clock = Clock()
    state.now = clock.now
    edition = seal_edition(state, settings, draft, *[f"r{n}@example.org" for n in range(9)])
    channel = ScriptedChannel(*[Retry("limit", after=50.0)] * 99)
    deliver(
        state,
        settings,
        edition,
        channel,
        "run",
        sleep=clock.sleep,
        policy=RetryPolicy(total_wait=180),
    )
    assert sum(clock.slept) == 150


def test_a_channel_that_breaks_leaves_a_doubt_and_stops(
    state: State, settings: Settings, draft: Path
) -> None:
    edition = seal_edition(state, settings, draft, ADA, BOB)
    channel = ScriptedChannel(RuntimeError)
    with pytest.raises(RuntimeError):
        deliver(state, settings, edition, channel, "run")
    assert statuses(state, edition) == {ADA: "unknown", BOB: "planned"}
    detail = state.ledger_rows()[0].detail
    assert detail == "stopped while sending: RuntimeError"
    deliver(state, settings, edition, channel, "run-2")
    assert channel.calls == [ADA, BOB]


def test_without_an_open_intent_it_archives(state: State, settings: Settings, draft: Path) -> None:
    edition = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel()
    state.hold_intent(edition.intent_id, "wait", by="person")
    assert numbers(deliver(state, settings, edition, channel, "r")) == ("held", 0, 0, 0, 0, 0)
    state.cancel_intent(edition.intent_id, "never")
    assert numbers(deliver(state, settings, edition, channel, "r")) == ("archived", 0, 0, 0, 0, 0)
    assert channel.calls == []


def test_holding_stops_a_delivery_that_is_under_way(
    state: State, settings: Settings, draft: Path
) -> None:
    edition = seal_edition(state, settings, draft, ADA, BOB)
    channel = ScriptedChannel()

    def hold(_: OutgoingMessage) -> None:
        state.hold_intent(edition.intent_id, "stop", by="person")

    channel.before = hold
    report = deliver(state, settings, edition, channel, "run")
    assert channel.calls == [ADA]
    assert statuses(state, edition) == {ADA: "accepted", BOB: "planned"}
    assert not report.settled
    state.release_intent(edition.intent_id, by="person")
    channel.before = lambda _: None
    assert deliver(state, settings, edition, channel, "run-2").settled
    assert channel.accepted == {ADA: 1, BOB: 1}


def test_a_second_click_while_the_first_sends(
    state: State, settings: Settings, draft: Path
) -> None:
    edition = seal_edition(state, settings, draft, ADA, BOB, EVE)
    first, second = ScriptedChannel(), ScriptedChannel()
    reports: list[DeliveryReport] = []

    def click(message: OutgoingMessage) -> None:
        if not reports:
            reports.append(deliver(state, settings, edition, second, "run-2"))

    first.before = click
    last = deliver(state, settings, edition, first, "run-1")
    assert first.accepted + second.accepted == Counter({ADA: 1, BOB: 1, EVE: 1})
    assert (reports[0].sent, reports[0].sending_elsewhere, reports[0].settled) == (2, 1, False)
    assert (last.sent, last.accepted, last.settled) == (1, 3, True)


def test_a_heartbeat_keeps_a_slow_send_alive(state: State, settings: Settings, draft: Path) -> None:
    edition = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel()
    expired: list[int] = []

    def slow(_: OutgoingMessage) -> None:
        threading.Event().wait(0.8)
        expired.append(state.expire())

    channel.before = slow
    lease = timedelta(seconds=0.4)
    assert deliver(state, settings, edition, channel, "run", lease=lease).accepted == 1
    assert expired == [0]


def test_changed_files_are_not_sent(state: State, settings: Settings, draft: Path) -> None:
    edition = seal_edition(state, settings, draft, ADA)
    file = Path(edition.folder) / "email.txt"
    file.chmod(0o644)
    file.write_text("other figures")
    channel = ScriptedChannel()
    with pytest.raises(Problem, match="not as it was sealed"):
        deliver(state, settings, edition, channel, "run")
    assert channel.calls == []


def test_a_domain_withdrawn_after_sealing_gets_nothing(
    state: State, settings: Settings, draft: Path
) -> None:
    edition = seal_edition(state, settings, draft, ADA)
    stricter = make_settings(settings.home, allowed_domains=["other.example"])
    channel = ScriptedChannel()
    assert numbers(deliver(state, stricter, edition, channel, "r")) == ("sent", 0, 0, 1, 0, 0)
    assert channel.calls == []


def test_reports_name_nobody(state: State, settings: Settings, draft: Path) -> None:
    edition = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel(*[Retry(f"450 <{ADA}> greylisted")] * 9)
    report = deliver(state, settings, edition, channel, "run", sleep=lambda _: None)
    assert report.faults == ("450 greylisted",)
    assert "ada" not in repr(report)


def test_the_unknown_is_sent_again_only_at_a_persons_word(
    state: State, settings: Settings, draft: Path
) -> None:
    edition = seal_edition(state, settings, draft, ADA)
    channel = ScriptedChannel(Unknown("timeout"))
    assert deliver(state, settings, edition, channel, "run").settled
    assert deliver(state, settings, edition, channel, "run-2").mode == "archived"
    state.decide("edition", edition.edition_id, ADA, "resend", why="never came")
    assert numbers(deliver(state, settings, edition, channel, "run-3")) == ("sent", 1, 1, 0, 0, 0)


# ---- dry run -------------------------------------------------------------------------------


def test_a_dry_run_tells_and_changes_nothing(state: State, settings: Settings, draft: Path) -> None:
    refusal = Refusal("ld_head", "U1", "the domain is not in allowed_domains", "l@evil.com")
    audience = replace(make_audience(ADA, BOB), refused=(refusal,))
    told = dry_run(state, settings, "monthly", PERIOD, draft, audience)
    assert told.recipients == (
        (ADA, ("executive_sponsor",), "new", ""),
        (BOB, ("executive_sponsor",), "new", ""),
    )
    assert not told.sends
    for words in (ADA, "l@evil.com", "allowed_domains", "outbox", "Review pack 2026-10.pdf"):
        assert words in str(told)
    assert state.ledger_rows() == [] and state.editions() == []
    edition = seal_edition(state, settings, draft, ADA)
    state.plan("edition", edition.edition_id, [ADA])
    told = dry_run(state, settings, "monthly", PERIOD, draft, audience)
    assert told.recipients == ((ADA, ("executive_sponsor",), SendStatus.PLANNED, ""),)
    assert told.sends
