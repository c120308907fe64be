"""Who gets an edition: governance roles through people, deputies, and only allowed domains.

Everything here happens before anything is rendered or sealed for anyone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.delivery.message import Mailbox, mailbox, to_ascii_domain
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, Settings


@dataclass(frozen=True)
class Recipient:
    """One mailbox and the roles it receives for (a deputy's say so)."""

    mailbox: Mailbox = field(repr=False)
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Refusal:
    """A role that gets no mail, and why. ``address`` is for a person's eyes, not for logs."""

    role: str
    org_unit_id: str
    reason: str
    address: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Audience:
    """The recipients of one edition, sorted, each once; and who is left out."""

    recipients: tuple[Recipient, ...]
    refused: tuple[Refusal, ...]

    def summary(self) -> str:
        """For logs and metadata: numbers, roles and reasons; no names, no addresses."""
        lines = [f"{len(self.recipients)} recipients"]
        lines += [f"{each.role} of {each.org_unit_id}: {each.reason}" for each in self.refused]
        return "; ".join(lines)


def allowed_domains(settings: Settings) -> frozenset[str]:
    """The domains that mail may go to, in ASCII form.

    Raises:
        Problem: one of them is not a domain.
    """
    domains = set()
    for domain in settings.delivery.allowed_domains:
        name = to_ascii_domain(domain.strip().removeprefix("@"))
        if name is None:
            raise Problem(
                f"[delivery.allowed_domains] {domain!r} is not a domain.",
                remedy="write full domains such as example.org; no patterns.",
            )
        domains.add(name)
    return frozenset(domains)


def audience(
    governance: Iterable[Mapping[str, Any]], roles: Sequence[str], settings: Settings
) -> Audience:
    """Recipients of an edition from the governance rows of its period.

    Args:
        governance: rows of ``governance__<grain>``: role, org_unit_id, full_name, email,
            is_active, deputy_name, deputy_email, deputy_is_active.
        roles: the roles that attend the ritual.

    Raises:
        Problem: an allowed domain is none. An empty audience is not refused here (a dry run shows
            it) but when the edition is sealed.
    """
    allowed = allowed_domains(settings)
    found: dict[str, tuple[Mailbox, set[str]]] = {}
    refused: list[Refusal] = []
    filled: set[str] = set()
    for row in governance:
        role, unit = str(row["role"]), str(row.get("org_unit_id") or "")
        if role not in roles:
            continue
        filled.add(role)
        label = role
        address = row.get("email")
        if not row.get("is_active"):
            if not row.get("deputy_is_active"):
                reason = (
                    "no longer active and no active deputy is named"
                    if row.get("person_id") is not None
                    else "nobody holds this role"
                )
                refused.append(Refusal(role, unit, reason))
                continue
            label, address = f"{role} (deputy)", row.get("deputy_email")
        if not address:
            refused.append(Refusal(role, unit, "no email address is known"))
            continue
        try:
            box = mailbox(str(address))
        except Problem:
            refused.append(Refusal(role, unit, "the address cannot be sent to", str(address)[:320]))
            continue
        if box.domain not in allowed:
            refused.append(Refusal(role, unit, "the domain is not in allowed_domains", box.address))
            continue
        found.setdefault(box.key, (box, set()))[1].add(label)
    refused += [Refusal(role, "", "nobody holds this role") for role in roles if role not in filled]
    return Audience(
        tuple(Recipient(box, tuple(sorted(labels))) for _, (box, labels) in sorted(found.items())),
        tuple(sorted(refused, key=lambda each: (each.role, each.org_unit_id, each.reason))),
    )


def attending_roles(ritual: str, settings: Settings) -> tuple[str, ...]:
    """The roles that attend a ritual, from the charter's ``review_calendar``.

    Raises:
        Problem: the calendar is missing, or names no roles for this ritual.
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
