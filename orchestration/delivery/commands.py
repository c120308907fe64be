"""The commands over what is sent: ``intents``, ``unknown``, ``undelivered``, ``serve-events`` and
``confirmation-link``."""

from __future__ import annotations

from datetime import date, datetime

import click

from orchestration.problems import Problem
from orchestration.settings import load_settings
from orchestration.state import Intent, IntentStatus, LedgerRow, SendStatus, State


@click.group()
def intents() -> None:
    """Leave to send: which reviews and letters are pending, and a person's word on each."""


@intents.command("list")
def list_intents() -> None:
    """Print every pending intent: what, whether it is open or held, by whom, and why."""
    with State.open(load_settings()) as state:
        found = state.pending_intents()
    for each in found:
        held = f"held by {each.held_by}" if each.held_by else each.status
        why = f": {each.reason}" if each.reason else ""
        click.echo(f"{each.ritual} {each.period_id}  {held}{why}")
    click.echo(f"{len(found)} pending.")


def _pending(state: State, ritual: str, period: str) -> Intent:
    """The pending intent of a mailing's period.

    Raises:
        Problem: there is none.
    """
    found = state.pending_intent(ritual, period)
    if found is None:
        raise Problem(
            f"nothing is pending for {ritual} {period}.",
            remedy="see the list: python -m orchestration intents list.",
        )
    return found


@intents.command("release")
@click.argument("ritual")
@click.argument("period")
def release(ritual: str, period: str) -> None:
    """RITUAL of PERIOD may go out (monthly 2026-10): it was held, by a person or a verdict."""
    with State.open(load_settings()) as state:
        state.release_intent(_pending(state, ritual, period).intent_id, by="person")
    click.echo(f"{ritual} {period} is open: the next publishing run sends it.")


_BECAUSE = click.option("--why", required=True, help="kept with the intent")


@intents.command("hold")
@click.argument("ritual")
@click.argument("period")
@_BECAUSE
def hold(ritual: str, period: str, why: str) -> None:
    """RITUAL of PERIOD waits until a person releases it."""
    with State.open(load_settings()) as state:
        state.hold_intent(_pending(state, ritual, period).intent_id, why, by="person")
    click.echo(f"{ritual} {period} is held until a person releases it.")


@intents.command("cancel")
@click.argument("ritual")
@click.argument("period")
@_BECAUSE
def cancel(ritual: str, period: str, why: str) -> None:
    """RITUAL of PERIOD is not sent, or not to anybody else: it was, or nobody needs it."""
    with State.open(load_settings()) as state:
        state.cancel_intent(_pending(state, ritual, period).intent_id, why)
    click.echo(f"{ritual} {period} is cancelled; nothing more of it is sent.")


@click.group()
def unknown() -> None:
    """Messages of which nobody knows whether they were taken; each waits for a person's word."""


def _row(state: State, number: int) -> LedgerRow:
    """The unknown row of that number.

    Raises:
        Problem: there is none.
    """
    found = [row for row in state.ledger_rows() if row.ledger_id == number]
    if not found or found[0].status is not SendStatus.UNKNOWN:
        stands = f"is {found[0].status}" if found else "does not exist"
        raise Problem(
            f"message {number} {stands}; there is nothing to decide.",
            remedy="see the list: python -m orchestration unknown list.",
        )
    return found[0]


def _decide(number: int, verdict: str, why: str) -> LedgerRow:
    with State.open(load_settings()) as state:
        row = _row(state, number)
        state.decide(
            row.message_kind,
            row.subject_id,
            row.recipient,
            verdict,
            why=f"a person's word: {why}",
            letter=row.letter,
        )
    return row


@unknown.command("list")
def list_unknown() -> None:
    """Print every unknown message with its number, and what is known of it."""
    with State.open(load_settings()) as state:
        state.expire()  # whose sender died meanwhile
        rows = [row for row in state.ledger_rows() if row.status is SendStatus.UNKNOWN]
    for row in rows:
        letter = f" letter {row.letter}" if row.letter else ""
        click.echo(
            f"{row.ledger_id:>6}  {row.message_kind} {row.subject_id}{letter} to {row.recipient}, "
            f"{row.updated_at:%Y-%m-%d %H:%M} UTC: {row.detail or 'no answer'}"
        )
    click.echo(f"{len(rows)} unknown.")


_WHY = click.option("--why", required=True, help="how you know; kept in the ledger")


@unknown.command("resend")
@click.argument("number", type=int)
@_WHY
def resend(number: int, why: str) -> None:
    """Message NUMBER never came: the next run of its publication sends it again."""
    row = _decide(number, "resend", why)
    with State.open(load_settings()) as state:
        held = next(
            (
                each
                for each in state.editions()
                if each.edition_id == row.subject_id
                and state.intent(each.intent_id).status is IntentStatus.HELD
            ),
            None,
        )
    if held is not None:
        click.echo(
            f"{number} is planned, and waits: its review is held. Release it too: "
            f"python -m orchestration intents release {held.ritual} {held.period_id}"
        )
    else:
        click.echo(f"{number} is planned: the next publishing run of {row.subject_id} sends it.")


@unknown.command("settle")
@click.argument("number", type=int)
@click.option("--as", "verdict", type=click.Choice(["accepted", "failed"]), required=True)
@_WHY
def settle(number: int, verdict: str, why: str) -> None:
    """Message NUMBER came, or will never come: nothing more is sent."""
    _decide(number, verdict, why)
    click.echo(f"{number} is {verdict}; nothing is sent.")


@click.group()
def undelivered() -> None:
    """Reviews and letters that reached nobody: refused for good, bounced, blocked or dropped."""


@undelivered.command("list")
def list_undelivered() -> None:
    """Print every message that did not arrive, with its number, and what is known of it."""
    from orchestration.scorecard import unreached

    settings = load_settings()
    with State.open(settings) as state:
        found = unreached.undelivered(settings, state)
    for each in found:
        click.echo(
            f"{each.number:>6}  {unreached.mail_words(each)} to {each.recipient} "
            f"({unreached.roles_words(each)}), {unreached.happened(settings, each)}: "
            f"{each.reason or 'no reason given'}"
        )
    click.echo(f"{len(found)} undelivered.")


@undelivered.command("settle")
@click.argument("number", type=int)
@click.option("--why", required=True, help="what was done; kept in the ledger")
def settle_undelivered(number: int, why: str) -> None:
    """Message NUMBER needs nothing more: it was handed over, or they have left."""
    with State.open(load_settings()) as state:
        state.settle_undelivered(number, f"a person's word: {why}")
    click.echo(f"{number} is settled; nothing is sent.")


@click.command("serve-events")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8025, show_default=True)
def serve_events(host: str, port: int) -> None:
    """Take SendGrid's events and confirmations by link; put it behind a proxy that speaks TLS."""
    from orchestration.delivery.events import serve

    click.echo(f"http://{host}:{port}  /sendgrid/events  /confirm/...  (stop with Ctrl-C)")
    serve(load_settings(), host, port)


@click.command("confirmation-link")
@click.option("--message", help="id of the message that was cascaded")
@click.option("--sitting", help="weekly, monthly, quarterly or manager_forum")
@click.option("--on", help="the day of the sitting; default today")
def confirmation_link(message: str | None, sitting: str | None, on: str | None) -> None:
    """Print a link by which people confirm a cascade (--message) or attendance (--sitting)."""
    from orchestration.recording.links import attended, cascaded, link
    from orchestration.review.kit import read_messages

    settings = load_settings()
    if (message is None) == (sitting is None):
        raise Problem("give either --message or --sitting.")
    if sitting is not None:
        try:
            day = date.fromisoformat(on) if on else datetime.now(settings.organisation.zone).date()
        except ValueError:
            raise Problem(
                f"--on: {on!r} is not a date.", remedy="write it as 2026-01-31."
            ) from None
        confirmation = attended(sitting, day)
    else:
        found = [each for each in read_messages(settings) if each.message_id == message]
        if not found:
            raise Problem(f"no message is called {message!r}.", file="messages.csv")
        confirmation = cascaded(found[0].message_id, found[0].expires_on)
    address = link(settings, confirmation)
    if not address:
        raise Problem(
            "confirmation links are not set up.",
            remedy="set [confirmations] base_url, and ADOPTION_LINK_KEY in the environment.",
        )
    click.echo(address)
