"""Whose mailbox an incident goes to: an address of the settings, or whoever holds a role.

Nobody outside the allowed domains is told. Who cannot be reached is replaced by the programme
lead, so that a fault without an owner is still told to somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from orchestration.addresses import Mailbox, allowed_domains, mailbox
from orchestration.delivery.recipients import audience
from orchestration.incidents import OPERATIONS, feed_owner
from orchestration.lake import Lake
from orchestration.periods import Grain
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.warehouse.published import published_builds, read_published


@dataclass
class Directory:
    """Finds the mailboxes of owners; reads the governance at most once.

    ``faults`` gathers why an owner could not be reached: roles and feeds, no names or addresses.
    """

    settings: Settings
    lake: Lake
    faults: list[str] = field(default_factory=list)

    def owner(self, owner: str) -> list[Mailbox]:
        """Who is told of what ``owner`` (as in ``Finding.owner``) has to mend.

        Raises:
            Problem: an allowed domain is none.
        """
        alerts = self.settings.alerts
        found: list[Mailbox] = []
        if owner == OPERATIONS:
            found = self._address(alerts.operations_email, "operations_email")
        for feed, declared in self.settings.feeds.items():
            if owner == feed_owner(feed):
                found = self._address(declared.owner_email, f"the owner of {feed}")
                found = found or self._role(declared.owner_role)
        return found or self.lead()

    def lead(self) -> list[Mailbox]:
        """The programme lead; empty where nobody is known."""
        alerts = self.settings.alerts
        return self._address(alerts.lead_email, "lead_email") or self._role(alerts.lead_role)

    def _address(self, address: str | None, whose: str) -> list[Mailbox]:
        if address is None:
            return []
        try:
            box = mailbox(address)
        except Problem:
            self._note(f"{whose}: the address cannot be sent to")
            return []
        if box.domain not in allowed_domains(self.settings):
            self._note(f"{whose}: the domain is not in allowed_domains")
            return []
        return [box]

    def _role(self, role: str | None) -> list[Mailbox]:
        if role is None:
            return []
        found = audience(self._governance, [role], self.settings)
        if not found.recipients:
            for each in found.refused:
                self._note(f"{each.role}: {each.reason}")
        return [each.mailbox for each in found.recipients]

    def _note(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    @cached_property
    def _governance(self) -> Sequence[dict[str, Any]]:
        """Who held which role in the newest published month."""
        built = published_builds(self.lake, Grain.MONTH)
        if not built:
            return []
        newest = list(built)[-1]
        return read_published(self.lake, Grain.MONTH, "governance__month", period_ids=[newest])
