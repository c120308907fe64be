"""What a channel is and what it may answer.

The answers differ in what is known. ``Retry`` says that the message was certainly not accepted;
whatever leaves a doubt is ``Unknown`` and is never sent again without a person's or the provider's
word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from orchestration.delivery.message import OutgoingMessage

_DETAIL_CHARACTERS = 300


@dataclass(frozen=True)
class Accepted:
    """The channel took the message; ``message_id`` is its own name for it, if it gave one."""

    message_id: str | None = None


@dataclass(frozen=True)
class Retry:
    """Certainly not accepted.

    Args:
        reason: why.
        after: seconds to wait before the next attempt, where the server said so.
        halts: waiting will not mend it and every other message would meet the same (login or key
            refused, disk full): stop sending in this run.
    """

    reason: str
    after: float | None = None
    halts: bool = False


@dataclass(frozen=True)
class Failed:
    """Definitely refused, for this recipient and for good."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """It may or may not have been accepted."""

    reason: str


Outcome = Accepted | Retry | Failed | Unknown


@runtime_checkable
class Channel(Protocol):
    """Sends one message to one recipient and tells what is known of it. Never raises for a fault
    of the network or of the server."""

    name: str

    def send(self, message: OutgoingMessage) -> Outcome:
        """Make one attempt, within the channel's timeout."""
        ...


def detail(words: str, *secrets: str | None) -> str:
    """A server's words for the ledger: one line, short, without secrets that it echoed."""
    for secret in secrets:
        if secret:
            words = words.replace(secret, "***")
    return " ".join(words.split())[:_DETAIL_CHARACTERS]
