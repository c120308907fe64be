"""Signed confirmation links: "I cascaded this", "I attended".

A link carries what it confirms and until when, signed; no figure and nobody's name stands behind
it. It says not who opens it, since it is passed on with the text it stands in: whoever confirms
gives their work mail address. The same link is made of the same content, so that a review rendered
anew is the same to the byte; a new key makes every link given out before it invalid.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from urllib.parse import urlsplit

from itsdangerous import BadData, URLSafeSerializer
from pydantic import SecretStr

from orchestration.feeds.recording import Held, Recorded, made_id, record
from orchestration.problems import Problem
from orchestration.recording import entries
from orchestration.recording.entries import SITTINGS, Answers
from orchestration.recording.known import Known
from orchestration.settings import Secrets, Settings

ATTENDED_WITHIN = timedelta(days=30)
CASCADED_WITHIN = timedelta(days=10)
"""A cascade is still confirmed so long after its message has expired."""

_SALT = "adoption confirmation 1"
_KEY_CHARACTERS = 32


@dataclass(frozen=True)
class Confirmation:
    """What a link confirms.

    Args:
        what: ``cascaded`` (about: the message's id) or ``attended`` (about: the sitting).
        until: the last day it can be confirmed.
        on: the day of the sitting; None for a cascade, which counts on the day of the click.
    """

    what: Literal["cascaded", "attended"]
    about: str
    until: date
    on: date | None = None


def cascaded(message_id: str, expires_on: date) -> Confirmation:
    """That a manager has passed a message on to their team."""
    return Confirmation("cascaded", message_id, expires_on + CASCADED_WITHIN)


def attended(sitting: str, on: date) -> Confirmation:
    """That a leader sat in a review or a forum."""
    if sitting not in SITTINGS:
        raise Problem(f"no sitting is called {sitting!r}.", remedy=f"one of {', '.join(SITTINGS)}.")
    return Confirmation("attended", sitting, on + ATTENDED_WITHIN, on)


class Signer:
    """Makes tokens of confirmations and reads them.

    Raises:
        Problem: the key is too short to keep a secret.
    """

    def __init__(self, key: SecretStr) -> None:
        secret = key.get_secret_value()
        if len(secret) < _KEY_CHARACTERS:
            raise Problem(
                f"the key of confirmation links has fewer than {_KEY_CHARACTERS} characters.",
                remedy="set ADOPTION_LINK_KEY to a long random text, such as the output of "
                "openssl rand -hex 32.",
            )
        self._serializer = URLSafeSerializer(
            secret, salt=_SALT, signer_kwargs={"digest_method": hashlib.sha256}
        )

    def token(self, confirmation: Confirmation) -> str:
        """The token: letters, digits, ``-``, ``_`` and ``.`` only."""
        on = confirmation.on.isoformat() if confirmation.on else None
        signed = self._serializer.dumps(
            [confirmation.what, confirmation.about, confirmation.until.isoformat(), on]
        )
        return signed if isinstance(signed, str) else signed.decode("ascii")

    def read(self, token: str) -> Confirmation | None:
        """What a token confirms; None where this key did not sign it."""
        try:
            what, about, until, on = self._serializer.loads(token)
        except BadData:
            return None
        return Confirmation(
            what, about, date.fromisoformat(until), date.fromisoformat(on) if on else None
        )


def link(settings: Settings, confirmation: Confirmation, secrets: Secrets | None = None) -> str:
    """The address to give out; empty where none is set up (no base URL, or no key).

    Raises:
        Problem: the base URL is not https, or the key is too short.
    """
    key = (secrets or Secrets()).link_key
    base = settings.confirmations.base_url
    if base is None or key is None:
        return ""
    place = urlsplit(base)
    if place.scheme != "https" and place.hostname not in ("localhost", "127.0.0.1"):
        raise Problem(
            "[confirmations] base_url is not an https address.",
            remedy="write it like https://adoption.example.org.",
        )
    return f"{base.rstrip('/')}/confirm/{Signer(key).token(confirmation)}"


def confirm(settings: Settings, confirmation: Confirmation, address: str, today: date) -> bool:
    """Record what somebody confirms, once: again, or from another day, it adds nothing.

    Args:
        address: their work mail address, as they typed it.
        today: by the organisation's clock.

    Returns:
        Whether the address is that of one person who is employed; else nothing is recorded.

    Raises:
        Problem: it cannot be recorded now.
    """
    known = Known.read(settings)
    wanted = address.strip().casefold()
    meant = [
        person.person_id
        for person in known.people.values()
        if wanted
        and person.email.casefold() == wanted
        and (person.left_on is None or person.left_on >= today)
    ]
    if len(meant) != 1:
        return False
    _record(settings, known, confirmation, meant[0], today)
    return True


def _record(
    settings: Settings, known: Known, confirmation: Confirmation, person: str, today: date
) -> Recorded | None:
    if confirmation.what == "attended":
        on = confirmation.on or today
        given = {"who": person, "sitting": confirmation.about, "on": on.isoformat()}
        row = entries.attendance(Answers(given, known, today), "link")
    else:
        given = {"who": person, "kind": "manager_cascade", "message": confirmation.about}
        row = entries.leader_action(Answers(given, known, today), "link")
        # without the day: a second click on another day is the same cascade
        row["entry_id"] = made_id("act", person, "manager_cascade", confirmation.about, "link")
    last = Held.read(settings).last(str(row["entry_id"]), "leader_action")
    if last is not None and last.get("outcome") != "withdrawn":
        return None
    return record(settings, [{**row, "recorded_by": person}])
