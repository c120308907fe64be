"""Addresses that mail can go to: read strictly, in the allowed domains only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.headerregistry import Address
from typing import Any

from orchestration.problems import Problem
from orchestration.settings import Settings

_LOCAL_PART = re.compile(r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Mailbox:
    """An address that can stand in an envelope, and the name shown beside it.

    ``address`` is ASCII: international domains are in their ``xn--`` form.
    """

    address: str
    name: str = ""

    @property
    def key(self) -> str:
        """What two spellings of the same mailbox have in common."""
        return self.address.casefold()

    @property
    def domain(self) -> str:
        """The domain, lower case, ASCII."""
        return self.address.rpartition("@")[2]

    def header(self) -> Address:
        """For a header: quoted and encoded by the standard library, never by us."""
        return Address(display_name=self.name, addr_spec=self.address)


def mailbox(address: str, name: str = "") -> Mailbox:
    """Read an address as it came from people's data.

    Strict on purpose: no quoted local parts, no ``%`` or ``!`` routing, no address literals, an
    ASCII local part, a domain of at least two labels. What this refuses, nobody's company uses.

    Raises:
        Problem: it is no such address. The message does not repeat it.
    """
    local, at, domain = address.strip(" \t").rpartition("@")
    ascii_domain = to_ascii_domain(domain)
    if (
        not at
        or ascii_domain is None
        or len(local) > 64
        or len(ascii_domain) > 253
        or not _LOCAL_PART.fullmatch(local)
    ):
        raise Problem("not an email address that mail can be sent to.")
    return Mailbox(f"{local}@{ascii_domain}", name)


def to_ascii_domain(domain: str) -> str | None:
    """The domain in lower case and, if international, ``xn--`` form; None if it is none."""
    try:
        name = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    labels = name.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return None if labels[-1].isdigit() else name


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


@dataclass(frozen=True)
class Unreachable:
    reason: str
    address: str | None = None


def reach(address: Any, allowed: frozenset[str]) -> Mailbox | Unreachable:
    """The mailbox of an address as people's data has it, or why no mail goes there."""
    if not address or not str(address).strip():
        return Unreachable("no email address is known")
    try:
        box = mailbox(str(address))
    except Problem:
        return Unreachable("the address cannot be sent to", str(address)[:320])
    if box.domain not in allowed:
        return Unreachable("the domain is not in allowed_domains", box.address)
    return box


def nobody_left(person: Any, deputy: Any, circular: bool) -> str:
    """Why neither somebody inactive nor a deputy gets it."""
    if person is None:
        return "nobody holds this role"
    if deputy is None:
        return "no longer active and no deputy is named"
    if circular:
        return "holder and deputy stand in for each other, and neither is active"
    return "no longer active, and neither is the deputy"


def addressee(
    contacts: Mapping[str, Mapping[str, Any]],
    person: str,
    allowed: frozenset[str],
    *,
    deputised: bool,
) -> tuple[Mailbox | Unreachable, bool]:
    """The mailbox that a letter to a person goes to, and whether it is their deputy's.

    Args:
        contacts: rows of ``contacts__<grain>`` by person; this person's among them.
        deputised: whether somebody inactive is stood in for.
    """
    row = contacts[person]
    if row.get("is_active"):
        return reach(row.get("email"), allowed), False
    if not deputised:
        return Unreachable("no longer active; it goes to no deputy"), False
    deputy = row.get("deputy_person_id")
    stand_in = contacts.get(str(deputy), {})
    if not stand_in.get("is_active"):
        circular = deputy is not None and stand_in.get("deputy_person_id") == person
        return Unreachable(nobody_left(person, deputy, circular)), False
    return reach(stand_in.get("email"), allowed), True
