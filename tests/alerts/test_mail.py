"""Reviews that did not arrive: an incident until a later mail has, a line in the next review."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from orchestration.command import cli
from orchestration.delivery import commands
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver, seal
from orchestration.incidents import open_incidents
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.review.week import render_week
from orchestration.scorecard.unreached import unreached
from orchestration.settings import Secrets, Settings
from orchestration.state import Edition, SendStatus, State
from tests.alerts.conftest import OPERATIONS, Office, OfficeFactory
from tests.delivery.conftest import PERIOD, PROVENANCE, make_audience, make_draft
from tests.delivery.servers import SendGridServer, in_turn
from tests.delivery.test_events import PUBLIC, post, serving
from tests.review import rituals, scorecards

ADA, BOB = "ada@example.org", "bob@example.org"
LOST = "mail does not reach the executive sponsor"


def publish(
    settings: Settings, state: State, period: Period = PERIOD, secrets: Secrets | None = None
) -> Edition:
    """A monthly review, sealed for two and handed to the channel of the settings."""
    draft = make_draft(settings.home / "drafts" / "monthly" / period.id)
    state.open_intent("monthly", period.id, opened_by="schedule")
    audience = make_audience(ADA, BOB)
    edition = seal(state, settings, "monthly", period, draft, audience, PROVENANCE)
    deliver(state, settings, edition, open_channel(settings, secrets or Secrets()), "run")
    return edition


@pytest.fixture
def office(open_office: OfficeFactory) -> Office:
    """The mail server has no mailbox for Bob until it has one."""
    mailboxes = {ADA}

    def behave(to: str) -> str:
        return "rcpt:550" if to == BOB and BOB not in mailboxes else "250"

    opened = open_office(behave=behave)
    opened.mailboxes = mailboxes  # type: ignore[attr-defined]
    return opened


def test_what_the_server_refuses_for_good_is_told_until_a_later_mail_arrives(
    office: Office,
) -> None:
    publish(office.settings, office.state)
    office.watch(minutes=1)
    told = [mail for mail in office.mails() if mail[0] == OPERATIONS]
    assert told == [(OPERATIONS, f"new: {LOST}")]
    text = " ".join(office.text().split())
    assert "The monthly review of October 2026 was refused on 6 October 2026." in text
    assert "At risk: The monthly review of" in text and "weekly" not in text
    assert "`python -m orchestration undelivered list` names the address" in text
    assert BOB not in text
    (incident,) = open_incidents(office.state)
    assert "@" not in str(incident) and "bob" not in str(incident)
    office.watch(minutes=1)
    assert [mail for mail in office.mails() if mail[0] == OPERATIONS] == told
    # the next review says it to its readers; the one that was sent does not change
    assert unreached(office.settings, office.state, PERIOD.shift(1), []) == (
        "The monthly review of October 2026 did not reach the executive sponsor "
        "(it was refused on 6 October 2026).",
    )
    office.mailboxes.add(BOB)  # type: ignore[attr-defined]
    office.moment += timedelta(days=30)
    publish(office.settings, office.state, PERIOD.shift(1))
    office.watch(minutes=1)
    told = [mail for mail in office.mails() if mail[0] == OPERATIONS]
    assert told[1:] == [(OPERATIONS, f"recovered: {LOST}")]
    assert unreached(office.settings, office.state, PERIOD.shift(2), []) == ()


def test_a_person_settles_what_needs_nothing_more(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(office.settings, office.state)
    office.watch(minutes=1)
    monkeypatch.setattr(commands, "load_settings", lambda: office.settings)

    def tell(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["undelivered", *arguments], catch_exceptions=False).output

    (row,) = [r for r in office.state.ledger_rows("edition") if r.status is SendStatus.FAILED]
    listed = tell("list")
    what = f"monthly review of October 2026 to {BOB} (executive sponsor), was refused on "
    assert listed.startswith(f"{row.ledger_id:>6}  {what}")
    assert listed.endswith("1 undelivered.\n")
    tell("settle", str(row.ledger_id), "--why", "has left; her deputy has it")
    assert tell("list") == "0 undelivered.\n"
    with pytest.raises(Problem, match="waits for a word"):
        tell("settle", str(row.ledger_id), "--why", "again")
    office.watch(minutes=1)
    assert (OPERATIONS, f"recovered: {LOST}") in office.mails()
    (row,) = [r for r in office.state.ledger_rows("edition") if r.status is SendStatus.FAILED]
    assert row.settled_why == "a person's word: has left; her deputy has it"


# ---- what SendGrid reports -----------------------------------------------------------------


@pytest.fixture
def sendgrid() -> Iterator[SendGridServer]:
    with SendGridServer(in_turn("202")) as server:
        yield server


def test_a_bounce_opens_an_incident_and_a_delivery_closes_it(
    open_office: OfficeFactory, sendgrid: SendGridServer
) -> None:
    office = open_office()
    delivery = office.settings.delivery.model_copy(
        update={
            "channel": "sendgrid",
            "sendgrid": office.settings.delivery.sendgrid.model_copy(
                update={"host": sendgrid.host}
            ),
        }
    )
    office = replace(office, settings=office.settings.model_copy(update={"delivery": delivery}))
    office.secrets = Secrets(
        sendgrid_api_key=SecretStr("SG.test"), sendgrid_webhook_key=SecretStr(PUBLIC)
    )
    office.moment = datetime.now(UTC)
    office.state.now = lambda: office.moment  # type: ignore[method-assign]

    def subjects() -> list[str]:
        return [
            each["subject"].removeprefix("Example adoption review: ")
            for each in sendgrid.requests
            if each["personalizations"][0]["to"][0]["email"] == OPERATIONS
        ]

    def event(kind: str, **more: Any) -> dict[str, Any]:
        """What SendGrid posts of the newest message to Bob."""
        (*_, sent) = (
            each["personalizations"][0]
            for each in sendgrid.requests
            if each["personalizations"][0]["to"][0]["email"] == BOB
        )
        return {
            "email": BOB,
            "timestamp": int(office.moment.timestamp()),
            "sg_event_id": f"{kind}-{len(sendgrid.requests)}",
            "event": kind,
            **sent["custom_args"],
            **more,
        }

    publish(office.settings, office.state, secrets=office.secrets)
    with serving(office.settings, office.state, office.secrets) as url:
        office.watch(minutes=1)
        assert subjects() == []
        assert post(url, [event("bounce", type="blocked", reason=f"550 <{BOB}> blocked")]) == 204
        office.watch(minutes=1)
        assert subjects() == [f"new: {LOST}"]
        text = sendgrid.requests[-1]["content"][0]["value"]
        assert "The monthly review of October 2026 was blocked on" in " ".join(text.split())
        assert "The server said: 550 blocked" in " ".join(text.split()) and BOB not in text
        (line,) = unreached(office.settings, office.state, PERIOD.shift(1), [])
        assert line.startswith("The monthly review of October 2026 did not reach the executive")
        # the next review is taken by SendGrid: that is not yet a delivery
        office.moment += timedelta(minutes=2)
        publish(office.settings, office.state, PERIOD.shift(1), office.secrets)
        office.watch(minutes=1)
        assert subjects() == [f"new: {LOST}"]
        assert post(url, [event("processed")]) == 204
        office.watch(minutes=1)
        assert subjects() == [f"new: {LOST}"]
        assert post(url, [event("delivered")]) == 204
        office.watch(minutes=1)
    assert subjects() == [f"new: {LOST}", f"recovered: {LOST}"]
    assert sendgrid.accepted[("monthly-2026-10-edition-1", BOB)] == 1  # nothing was sent twice


# ---- the pages -----------------------------------------------------------------------------


def test_the_digest_says_it_and_a_sealed_review_keeps_what_it_said(
    office: Office, render: Callable[..., dict[str, str]]
) -> None:
    line = "The monthly review of October 2026 did not reach the L&D head (bounced on 6 November)."
    pages = render(rituals.week(scorecards.typical()).model_copy(update={"unreached": (line,)}))
    assert line in " ".join(pages["email.txt"].split())
    assert line.replace("&", "&amp;") in " ".join(pages["email.html"].split())
    assert "did not arrive" not in "".join(render(rituals.week(scorecards.typical())).values())
    folder = office.settings.home / "sealed"
    folder.mkdir()
    (folder / "scorecard.json").write_text(json.dumps({"unreached": [line]}))
    edition = replace(publish(office.settings, office.state), folder=str(folder))
    assert unreached(office.settings, office.state, PERIOD, [edition]) == (line,)


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., dict[str, str]]:
    def make(card: Any) -> dict[str, str]:
        render_week(card, tmp_path / "week")
        return {
            name: (tmp_path / "week" / name).read_text() for name in ("email.txt", "email.html")
        }

    return make
