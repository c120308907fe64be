"""Who holds a governance role in the period, as a page names them: the one home of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestration.scorecard import wording
from orchestration.scorecard.marts import Row

NAMED_ROLES = frozenset(
    {
        "executive_sponsor",
        "sponsor",
        "unit_head",
        "ld_head",
        "operations_head",
        "finance",
        "people_head",
        "compliance_owner",
    }
)
"""Leaders, named in their role. Everybody else appears by role; the ELT is a body."""
LEVEL_UP = {
    "manager": "unit_head",
    "unit_head": "sponsor",
    "operator": "sponsor",
    "measurer": "sponsor",
    "executive_sponsor": "elt_member",
    "elt_member": None,
}
"""One level up from a role; from any other it is the executive sponsor."""


class Governance:
    """Role holders of one period.

    Args:
        rows: rows of the published ``governance`` model.
        tree: org unit -> parent, so that a unit without a holder has its parent's.
        leaders: rows of the published ``named_leaders`` model.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        tree: Mapping[str, str | None],
        leaders: Sequence[Row] = (),
    ) -> None:
        self._tree = tree
        self._rows = sorted(
            rows, key=lambda r: (str(r["role"]), str(r["org_unit_id"] or ""), str(r["person_id"]))
        )
        self._people: dict[str, str] = {}
        for row in self._rows:
            for who, name in (("person_id", "full_name"), ("deputy_person_id", "deputy_name")):
                if row[who] is not None and row[name]:
                    self._people[str(row[who])] = str(row[name])
        named = [row for row in self._rows if row["role"] in NAMED_ROLES]
        self._named = {
            str(row["person_id"]): str(row["full_name"])
            for row in [*leaders, *named]
            if row["person_id"] is not None and row["full_name"]
        }

    def owner(self, role: str, unit: str) -> str:
        """The holder of a role, or of several given as 'a|b', for a unit.

        Leaders by name, their deputy when they have left, 'vacant: <role>' when nobody holds a
        leader's role; other roles by the role's name.
        """
        return wording.listed([self._one(part, unit) for part in _parts(role)])

    def owner_person(self, role: str, unit: str) -> str | None:
        """The person id behind ``owner``, where a role has one holder who can act."""
        found = [self._acting(part, unit) for part in _parts(role)]
        return found[0][0] if len(found) == 1 and found[0] is not None else None

    def who_can(self, role: str, unit: str, besides: frozenset[str] = frozenset()) -> str:
        """Who can act in a role for a unit: where it is vacant, who stands one level up.

        Args:
            besides: persons who are passed over, as if they did not hold the role.
        """
        found = [self._reachable(part, unit, besides) for part in _parts(role)]
        return wording.listed(list(dict.fromkeys(found)))

    def above(self, role: str, unit: str, person_id: str | None) -> str | None:
        """The role one level up from a role; further up while the same person holds it.

        None where there is no level above, or no role to start from.
        """
        parts = _parts(role)
        at = LEVEL_UP.get(parts[0], "executive_sponsor") if parts else None
        while at is not None and person_id is not None and self.owner_person(at, unit) == person_id:
            at = LEVEL_UP.get(at, "executive_sponsor")
        return at

    def full_name(self, person_id: str) -> str | None:
        """A role holder's or deputy's name, for a letter to themselves only."""
        return self._people.get(person_id)

    def holds(self, person_id: str, role: str, unit: str) -> bool:
        """Whether a person is among the holders of a role (or of one of several) for a unit."""
        return any(
            str(row["person_id"]) == person_id
            for part in _parts(role)
            for row in self._nearest(part, unit)
        )

    def person(self, person_id: str | None, role: str | None) -> str:
        """A leader by name, anybody else by role; 'not named' where neither is known."""
        if person_id is not None and person_id in self._named:
            return self._named[person_id]
        return wording.listed([wording.role_name(part) for part in _parts(role or "")]) or (
            "not named"
        )

    def _one(self, role: str, unit: str) -> str:
        if role not in NAMED_ROLES:
            return wording.role_name(role)
        acting = self._acting(role, unit)
        return f"vacant: {wording.role_name(role)}" if acting is None else acting[1]

    def _reachable(self, role: str, unit: str, besides: frozenset[str]) -> str:
        at: str | None = role
        while at in NAMED_ROLES:
            acting = self._acting(at, unit)
            if acting is not None and acting[0] not in besides:
                break
            at = LEVEL_UP.get(at, "executive_sponsor")
        return self._one(at or role, unit)

    def _acting(self, role: str, unit: str) -> tuple[str, str] | None:
        """Person id and printed name of who acts in the role; None where nobody can."""
        for row in self._nearest(role, unit):
            if row["is_active"] and row["full_name"]:
                return str(row["person_id"]), str(row["full_name"])
            if row["deputy_is_active"] and row["deputy_name"]:
                return str(row["deputy_person_id"]), f"{row['deputy_name']} (deputy)"
        return None

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
        everywhere = [row for row in rows if row["org_unit_id"] in (None, "", "*")]
        if role == "sponsor" and not everywhere:
            return self._nearest("executive_sponsor", unit)  # who sponsors the whole
        return everywhere


def _parts(role: str) -> list[str]:
    return [part.strip() for part in role.split("|") if part.strip()]
