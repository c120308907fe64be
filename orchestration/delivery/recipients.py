"""Who gets an edition: governance roles or persons, deputies, and only allowed domains.

Everything here happens before anything is rendered or sealed for anyone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.addresses import (
    Mailbox,
    Unreachable,
    addressee,
    allowed_domains,
    nobody_left,
    reach,
)
from orchestration.delivery.mailings import Letter, Mailing
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.charter import ROLES


@dataclass(frozen=True)
class Recipient:
    """One mailbox, the roles it receives for (a deputy's say so), and which letter it gets."""

    mailbox: Mailbox = field(repr=False)
    roles: tuple[str, ...]
    letter: str = field(default="", repr=False)


@dataclass(frozen=True)
class Refusal:
    """A role that gets no mail, and why.

    ``address``, ``person`` (who was meant) and ``letter`` are for a person's eyes, not for logs.
    """

    role: str
    org_unit_id: str
    reason: str
    address: str | None = field(default=None, repr=False)
    person: str = field(default="", repr=False)
    letter: str = field(default="", repr=False)


@dataclass(frozen=True)
class Audience:
    """The recipients of one edition, sorted, each once; and who is left out."""

    recipients: tuple[Recipient, ...]
    refused: tuple[Refusal, ...]

    def summary(self) -> str:
        """For logs and metadata: numbers, roles and reasons; no names, no addresses."""
        lines = [f"{len(self.recipients)} recipients"]
        lines += [
            f"{each.role}{f' of {each.org_unit_id}' if each.org_unit_id else ''}: {each.reason}"
            for each in self.refused
        ]
        return "; ".join(lines)


def audience(
    governance: Iterable[Mapping[str, Any]], roles: Sequence[str], settings: Settings
) -> Audience:
    """Recipients of an edition from the governance rows of its period.

    Whoever holds an attending role attends for the unit it is held in and all beneath it, at any
    level of the tree; a role held for the whole organisation ('*') is the root unit's. A role
    counts as vacant only where nobody holds it anywhere.

    Args:
        governance: rows of ``governance__<grain>``: role, org_unit_id, person_id, full_name, email,
            is_active, deputy_person_id, deputy_name, deputy_email, deputy_is_active.
        roles: the roles that attend the ritual.

    Raises:
        Problem: an allowed domain is none. An empty audience is not refused here (a dry run shows
            it) but when the edition is sealed.
    """
    allowed = allowed_domains(settings)
    rows = list(governance)
    deputies = {(row.get("person_id"), row.get("deputy_person_id")) for row in rows}
    found: dict[str, tuple[Mailbox, set[str]]] = {}
    refused: list[Refusal] = []
    filled: set[str] = set()
    for row in rows:
        role, unit = str(row["role"]), str(row.get("org_unit_id") or "")
        if role not in roles:
            continue
        filled.add(role)
        person, deputy = row.get("person_id"), row.get("deputy_person_id")
        meant = _named(row.get("full_name"), person)
        label, address = role, row.get("email")
        if not row.get("is_active"):
            if not row.get("deputy_is_active"):
                reason = nobody_left(person, deputy, (deputy, person) in deputies)
                refused.append(Refusal(role, unit, reason, person=meant))
                continue
            label, address = f"{role} (deputy)", row.get("deputy_email")
            meant = _named(row.get("deputy_name"), deputy)
        box = reach(address, allowed)
        if isinstance(box, Unreachable):
            refused.append(Refusal(role, unit, box.reason, box.address, meant))
        else:
            found.setdefault(box.key, (box, set()))[1].add(label)
    refused += [Refusal(role, "", "nobody holds this role") for role in roles if role not in filled]
    return Audience(
        tuple(Recipient(box, tuple(sorted(labels))) for _, (box, labels) in sorted(found.items())),
        tuple(sorted(refused, key=lambda each: (each.role, each.org_unit_id, each.reason))),
    )


def letter_recipients(
    mailing: Mailing,
    letters: Iterable[Letter],
    contacts: Iterable[Mapping[str, Any]],
    settings: Settings,
) -> Audience:
    """Recipients of personal letters: each addressee once a letter, by their own address.

    Args:
        contacts: rows of ``contacts__<grain>``: person_id, full_name, email, manager_id,
            is_active, deputy_person_id.

    Raises:
        Problem: an allowed domain is none.
    """
    allowed = allowed_domains(settings)
    known = {str(row["person_id"]): row for row in contacts}
    found: dict[tuple[str, str], tuple[Mailbox, set[str]]] = {}
    refused: list[Refusal] = []
    for letter in letters:
        for person in letter.to:
            row = known.get(person)
            meant = _named(row.get("full_name") if row else None, person)

            def refuse(
                reason: str,
                address: str | None = None,
                letter: Letter = letter,
                meant: str = meant,
            ) -> None:
                refused.append(Refusal(letter.role, "", reason, address, meant, letter.folder))

            manager = known.get(letter.to[0], {}).get("manager_id")
            if mailing.own_manager_only and person not in (letter.to[0], manager):
                refuse("neither the leader it is about nor their own manager")
                continue
            if row is None:
                refuse("not among the period's contacts, so no address is known")
                continue
            box, is_deputy = addressee(known, person, allowed, deputised=mailing.deputised)
            if isinstance(box, Unreachable):
                refuse(box.reason, box.address)
            elif not letter.rendered:
                refuse("nobody could get it when it was drafted: draft it again")
            else:
                label = f"{letter.role} (deputy)" if is_deputy else letter.role
                found.setdefault((letter.folder, box.key), (box, set()))[1].add(label)
    return Audience(
        tuple(
            Recipient(box, tuple(sorted(labels)), folder)
            for (folder, _), (box, labels) in sorted(found.items())
        ),
        tuple(sorted(refused, key=lambda each: (each.letter, each.role, each.person, each.reason))),
    )


def _named(name: Any, person: Any) -> str:
    """A person as a dry run names them."""
    words = " ".join(str(name or "").split())
    return f"{words} ({person})" if words and person else words or str(person or "")


def governance_lines(faults: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is amiss in a period's governance, for a dry run.

    Args:
        faults: rows of ``governance_faults__<grain>``: org_unit_id, role, fault, person_id, detail.
    """
    lines = sorted(
        "  "
        + " ".join(
            str(row[column]) for column in ("role", "org_unit_id", "person_id") if row.get(column)
        )
        + f": {str(row['fault']).replace('_', ' ')}"
        + (f" ({row['detail']})" if row.get("detail") else "")
        for row in faults
    )
    return [f"Governance faults: {len(lines)}", *lines] if lines else []


def attending_roles(ritual: str, settings: Settings) -> tuple[str, ...]:
    """The roles that attend a ritual, from the charter's ``review_calendar``.

    Raises:
        Problem: the calendar is missing, or names no roles for this ritual, or one that nobody can
            be appointed to. Another ritual's row is not looked at.
    """
    file = _calendar_file(settings)
    try:
        with file.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.DictReader(handle) if row.get("ritual") == ritual]
    except OSError as error:
        raise Problem(
            f"the review calendar cannot be read: {error.strerror}.", file=str(file)
        ) from error
    roles = [
        role
        for row in rows
        for role in re.split(r"[|;,\s]+", row.get("attendee_roles") or "")
        if role
    ]
    if not roles:
        raise Problem(
            f"the review calendar names nobody who attends the {ritual} review.",
            file=str(file),
            column="attendee_roles",
            remedy="name the roles, separated by |.",
        )
    unknown = sorted(set(roles) - set(ROLES))
    if unknown:
        raise Problem(
            f"the review calendar invites unknown roles to the {ritual} review: "
            f"{', '.join(unknown)}.",
            file=str(file),
            column="attendee_roles",
            remedy=f"use roles of the governance: {', '.join(ROLES)}.",
        )
    return tuple(dict.fromkeys(roles))


def _calendar_file(settings: Settings) -> Path:
    """The charter in force if it was assembled, else the organisation's, else the shipped one."""
    name = "review_calendar.csv"
    overlay = settings.charter_overlay
    candidates = [settings.home / "charter" / name]
    if overlay is not None:
        candidates.insert(0, overlay / name)
    candidates.append(PROJECT_ROOT / "dbt_project" / "seeds" / name)
    return next((file for file in candidates if file.exists()), candidates[-1])
