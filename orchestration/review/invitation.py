"""The calendar invitation of a ritual's next sitting, as RFC 5545 wants it.

A calendar knows an entry by its UID and takes an update in place when the SEQUENCE is higher, so
the UID is that of the ritual, the period and the organisation, and the SEQUENCE rises by one when
an edition moves the sitting that the edition before it called. Nothing in the file depends on the
clock: the same scorecard after the same edition gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.problems import Problem
from orchestration.review.sections import next_sitting
from orchestration.review.words import clean
from orchestration.scorecard.model import Scorecard
from orchestration.settings import Settings

if TYPE_CHECKING:
    from icalendar import Calendar, Event, vCalAddress

_PRODUCT = "-//LMS Adoption Review//EN"


def invitation(
    scorecard: Scorecard,
    sender: str,
    attendees: Sequence[str] | None = None,
    before: bytes | None = None,
) -> bytes | None:
    """The invitation to the sitting that reviews this scorecard; None if none is scheduled.

    Args:
        sender: who calls the sitting, ``Name <address>``.
        attendees: addresses. Without any, add each recipient with :func:`addressed` before sending:
            a request without an attendee is not one (RFC 5546).
        before: the invitation of the last sealed edition of the same period, from
            :func:`sealed_invitation`.

    Raises:
        Problem: ``sender`` is not one mailbox; ``before`` is no calendar file of this sitting.
    """
    sitting = scorecard.sitting
    if sitting is None:
        return None
    if sitting.starts_at.tzinfo is None:
        raise Problem(
            f"the sitting of {scorecard.period_id} starts at a time without a time zone.",
            remedy="materialize the period's scorecard again.",
        )
    from icalendar import Calendar, Event

    starts = sitting.starts_at.astimezone(UTC)
    name, address = _mailbox(sender)
    event = Event()
    event.add("uid", _uid(scorecard, address))
    event.add("dtstamp", datetime.combine(scorecard.data_as_of, time(), UTC))
    event.add("dtstart", starts)
    event.add("dtend", starts + timedelta(minutes=sitting.minutes))
    event.add(
        "summary",
        f"{clean(scorecard.organisation, 80)}: {clean(sitting.name, 80)}, "
        f"{clean(scorecard.period_label, 40)}",
    )
    event.add("description", _description(scorecard))
    if sitting.place:
        event.add("location", clean(sitting.place, 200))
    event.add("organizer", _address(address, CN=name) if name else _address(address))
    for attendee in attendees or ():
        _invite(event, attendee)
    event.add("status", "CONFIRMED")
    event.add("sequence", _sequence(event, before))

    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def addressed(content: bytes, attendee: str) -> bytes:
    """The invitation with one more attendee: what the message to that mailbox carries.

    Raises:
        Problem: ``content`` is no invitation, or ``attendee`` is no address.
    """
    calendar, event = _read(content)
    _invite(event, attendee)
    return bytes(calendar.to_ical())


def sealed_invitation(settings: Settings, ritual: str, period_id: str) -> bytes | None:
    """The invitation that the last sealed edition of a period carries, if it carries one."""
    from orchestration.state import State

    with State.open(settings) as state:
        edition = state.latest_edition(ritual, period_id)
    if edition is None:
        return None
    folder = Path(edition.folder)
    try:
        name = json.loads((folder / "email.json").read_bytes()).get("calendar")
        return (folder / Path(name).name).read_bytes() if name else None
    except (OSError, ValueError) as error:
        raise Problem(
            "the sealed edition cannot be read.",
            file=str(folder),
            remedy="restore the folder; it is never written again.",
        ) from error


def _uid(scorecard: Scorecard, address: str) -> str:
    """Two organisations may send from one domain, and a name is no host name: so its hash."""
    organisation = hashlib.sha256(scorecard.organisation.encode()).hexdigest()[:12]
    domain = address.rpartition("@")[2].lower()
    return f"{scorecard.ritual}-{scorecard.period_id}@{organisation}.{domain}"


def _description(scorecard: Scorecard) -> str:
    """What the review says and how old its data are; the agenda, one item a line."""
    sitting = scorecard.sitting
    assert sitting is not None
    shown = next_sitting(sitting)
    lines = [clean(scorecard.sentence, 400)]
    if scorecard.stale_note:
        lines.append(f"Not all data is up to date: {clean(scorecard.stale_note, 160)}.")
    if shown and shown["agenda"]:
        lines += ["", f"Agenda, {sitting.minutes} minutes", *shown["agenda"]]
    return "\n".join(lines).replace("\u00a0", " ")


def _sequence(event: Event, before: bytes | None) -> int:
    if before is None:
        return 0
    _, last = _read(before)
    if last.uid != event.uid:
        raise Problem("the earlier invitation is of another sitting.")
    moved = any(
        _property(last, name) != _property(event, name) for name in ("dtstart", "dtend", "location")
    )
    return int(last.sequence) + moved


def _property(event: Event, name: str) -> bytes | str:
    value = event.get(name)
    return "" if value is None else bytes(value.to_ical())


def _read(content: bytes) -> tuple[Calendar, Event]:
    from icalendar import Calendar

    try:
        calendar = Calendar.from_ical(content)
        (event,) = calendar.events
    except (ValueError, AttributeError) as error:
        raise Problem("not a calendar file with one event.") from error
    return calendar, event


def _invite(event: Event, attendee: str) -> None:
    _, address = _mailbox(attendee)
    event.add(
        "attendee",
        _address(address, ROLE="REQ-PARTICIPANT", PARTSTAT="NEEDS-ACTION", RSVP="TRUE"),
    )


def _address(address: str, **parameters: str) -> vCalAddress:
    from icalendar import vCalAddress

    value = vCalAddress(f"mailto:{address}")
    for name, text in parameters.items():
        value.params[name] = text
    return value


def _mailbox(written: str) -> tuple[str, str]:
    name, address = parseaddr(written)
    if address.count("@") != 1 or clean(address) != address or " " in address:
        raise Problem(
            "the invitation's sender or attendee is not one mailbox.",
            remedy="write it like Adoption Review <adoption-review@example.org>.",
        )
    return clean(name, 80).replace('"', ""), address
