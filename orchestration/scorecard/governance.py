"""Who holds a governance role in the period, as a page names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestration.scorecard import wording
from orchestration.scorecard.marts import Row

NAMED_ROLES = frozenset(
    {
        "executive_sponsor",
        "sponsor",
        "ld_head",
        "operations_head",
        "finance",
        "people_head",
        "compliance_owner",
    }
)
"""Leaders, named in their role. Everybody else appears by role; the ELT is a body."""


class Governance:
    """Role holders of one period.

    Args:
        rows: rows of the published ``governance`` model.
        tree: org unit -> parent, so that a unit without a holder has its parent's.
    """

    def __init__(self, rows: Iterable[Row], tree: Mapping[str, str | None]) -> None:
        self._tree = tree
        self._rows = sorted(
            rows, key=lambda r: (str(r["role"]), str(r["org_unit_id"] or ""), str(r["person_id"]))
        )

    def owner(self, role: str, unit: str) -> str:
        """The holder of a role, or of several given as 'a|b', for a unit.

        Leaders by name, their deputy when they have left, 'vacant: <role>' when nobody holds a
        leader's role; other roles by the role's name.
        """
        roles = [part.strip() for part in role.split("|") if part.strip()]
        return wording.listed([self._one(part, unit) for part in roles])

    def _one(self, role: str, unit: str) -> str:
        if role not in NAMED_ROLES:
            return wording.role_name(role)
        for row in self._nearest(role, unit):
            if row["is_active"] and row["full_name"]:
                return str(row["full_name"])
            if row["deputy_is_active"] and row["deputy_name"]:
                return f"{row['deputy_name']} (deputy)"
        return f"vacant: {wording.role_name(role)}"

    def _nearest(self, role: str, unit: str) -> list[Row]:
        """Rows of the role for the unit itself, else its nearest ancestor, else everywhere."""
        rows = [row for row in self._rows if row["role"] == role]
        at: str | None = unit
        seen: set[str] = set()
        while at is not None and at not in seen:
            seen.add(at)
            here = [row for row in rows if row["org_unit_id"] == at]
            if here:
                return here
            at = self._tree.get(at)
        return [row for row in rows if row["org_unit_id"] in (None, "", "*")]
