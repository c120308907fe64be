"""SendGrid's Event Webhook: what became of each message, into the ledger.

A request is signed (ECDSA) over its timestamp and its raw body. SendGrid tries for a day to hand
events over and does not say whether a retry is signed anew, so a request may be a little more than
a day old; one that is replayed within it changes nothing, since each event counts once by its id.
"""

from __future__ import annotations

import binascii
import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from orchestration.delivery.channels.interface import detail
from orchestration.delivery.message import recipient_key
from orchestration.problems import Problem
from orchestration.state import ProviderEvent, Report, State

SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
OLDEST, AHEAD = timedelta(hours=25), timedelta(minutes=5)
_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that is not taken; its words are for the log and tell nothing of it."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Webhook:
    """Takes requests of the webhook.

    Args:
        public_key: the verification key that SendGrid shows, as it shows it.

    Raises:
        Problem: the key is none.
    """

    def __init__(self, state: State, public_key: str) -> None:
        from sendgrid.helpers.eventwebhook import EventWebhook

        self._state = state
        try:
            self._verifier = EventWebhook("".join(public_key.split()))
        except ValueError:
            raise Problem(
                "the verification key of SendGrid's event webhook is not one.",
                remedy="copy it from SendGrid's mail settings into "
                "ADOPTION_SENDGRID_WEBHOOK_KEY, without the lines around it.",
            ) from None

    def receive(self, body: bytes, signature: str, timestamp: str) -> int:
        """Verify a request and put its events into the ledger; returns how many were new.

        Raises:
            Refused: the signature or the time is wrong (403), or the body is no list (400).
            Problem: the state database refuses; SendGrid is to try again.
        """
        try:
            payload = body.decode("utf-8")
            genuine = self._verifier.verify_signature(payload, signature, timestamp)
        except (UnicodeError, ValueError, binascii.Error):
            genuine = False
        if not genuine:
            raise Refused(403, "the signature is not SendGrid's")
        now = self._state.now()
        try:
            signed_at = datetime.fromtimestamp(int(timestamp), UTC)
        except (ValueError, OverflowError, OSError):
            raise Refused(403, "the timestamp is none") from None
        if not now - OLDEST <= signed_at <= now + AHEAD:
            raise Refused(403, "the request is too old, or from the future")
        try:
            reported = json.loads(payload)
        except ValueError:
            reported = None
        if not isinstance(reported, list):
            raise Refused(400, "the body is not a list of events")
        ours = _Ours(self._state)
        read = [ours.event(each) for each in reported if isinstance(each, Mapping)]
        new = self._state.report([event for event in read if event is not None])
        _log.info("%d events: %d new and ours", len(reported), new)
        return new


class _Ours:
    """Finds the ledger row that an event is about by the custom arguments it came with."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rows: dict[tuple[str, str], dict[str, int]] = {}

    def event(self, event: Mapping[str, Any]) -> ProviderEvent | None:
        """The event; None where it is of another kind, malformed, or about another's mail."""
        kind = _kind(event)
        name, moment = event.get("sg_event_id"), event.get("timestamp")
        message = tuple(event.get(n) for n in ("message_kind", "subject_id", "recipient_key"))
        if kind is None or not isinstance(name, str) or not 0 < len(name) <= 255:
            return None
        if not all(isinstance(each, str) for each in message):
            return None
        try:
            happened_at = datetime.fromtimestamp(int(str(moment)), UTC)
        except (ValueError, OverflowError, OSError):
            return None
        message_kind, subject_id, key = (str(each) for each in message)
        ledger_id = self._of(message_kind, subject_id).get(key)
        if ledger_id is None:
            return None
        return ProviderEvent(name, ledger_id, kind, happened_at, _reason(event))

    def _of(self, message_kind: str, subject_id: str) -> dict[str, int]:
        if (message_kind, subject_id) not in self._rows:
            self._rows[message_kind, subject_id] = {
                recipient_key(message_kind, subject_id, row.letter, row.recipient): row.ledger_id
                for row in self._state.ledger_rows(message_kind, subject_id)
            }
        return self._rows[message_kind, subject_id]


def _kind(event: Mapping[str, Any]) -> Report | None:
    """A block comes as a bounce of the type ``blocked``; opens, clicks and the like are none."""
    if event.get("event") == "bounce" and event.get("type") == "blocked":
        return Report.BLOCKED
    try:
        return Report(str(event.get("event")))
    except ValueError:
        return None


def _reason(event: Mapping[str, Any]) -> str:
    """The provider's words without the addresses that servers put into them."""
    words = str(event.get("reason") or "")
    return detail(" ".join(word for word in words.split() if "@" not in word))
