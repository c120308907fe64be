"""Who holds a governance role in the period, as a page names them: the one home of names.

Only leaders are ever named, in their leadership role, and only those whom ``[privacy] names``
allows: nobody, sponsors and the ELT, or every named leader. For anybody else the role stands, and
the unit it is held for. A word that somebody recorded (a title, a note, a comment) is held to the
same rule: a role holder's full name in it gives way to the role.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar, cast

from pydantic import BaseModel

from orchestration.scorecard import wording
from orchestration.scorecard.marts import Row
from orchestration.settings import Naming

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
"""Leaders' roles, vacant where nobody holds them. The ELT is a body: its members decide as one."""
SPONSORS_AND_ELT = frozenset({"executive_sponsor", "sponsor", "elt_member"})
LEVEL_UP = {
    "manager": "unit_head",
    "unit_head": "sponsor",
    "operator": "sponsor",
    "measurer": "sponsor",
    "executive_sponsor": "elt_member",
    "elt_member": None,
}
"""One level up from a role; from any other it is the executive sponsor."""

Page = TypeVar("Page", bound=BaseModel)


class Governance:
    """Role holders of one period.

    Args:
        rows: rows of the published ``governance`` model.
        tree: org unit -> parent, so that a unit without a holder has its parent's.
        leaders: rows of the published ``named_leaders`` model.
        names: who is named at all, ``[privacy] names``.
        units: names of org units, said with the role of somebody who is not named.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        tree: Mapping[str, str | None],
        leaders: Sequence[Row] = (),
        *,
        names: Naming,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self._tree = tree
        self._units = units or {}
        self._names_deputies = names == "leaders"  # who acts for a leader is one
        self._rows = sorted(
            rows, key=lambda r: (str(r["role"]), str(r["org_unit_id"] or ""), str(r["person_id"]))
        )
        self._people = {
            str(row[who]): str(row[name])
            for row in [*leaders, *self._rows]
            for who, name in (("person_id", "full_name"), ("deputy_person_id", "deputy_name"))
            if row.get(who) is not None and row.get(name)
        }
        leading = {
            "none": frozenset[str](),
            "sponsors_and_elt": SPONSORS_AND_ELT,
            "leaders": NAMED_ROLES | SPONSORS_AND_ELT,
        }[names]
        self._named = {
            str(row["person_id"]): str(row["full_name"])
            for row in [*leaders, *self._rows]
            if row["role"] in leading and row["person_id"] is not None and row["full_name"]
        }
        # of several roles of one person a leader's before others, the whole's before a unit's
        self._first: dict[str, Row] = {}
        for row in sorted(self._rows, key=lambda r: (r["role"] not in NAMED_ROLES, self._of(r))):
            self._first.setdefault(str(row["person_id"]), row)

    def owner(self, role: str, unit: str) -> str:
        """The holder of a role, or of several given as 'a|b', for a unit.

        Leaders who may be named by name, others as 'unit head of Operations'; their deputy when
        they have left, 'vacant: <role>' when nobody holds a leader's role; other roles by the
        role's name.
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

    def named(self, person_id: str) -> str | None:
        """A leader's name where it may stand on a page; None where their role stands instead."""
        return self._named.get(person_id)

    def role(self, person_id: str) -> str:
        """What somebody is called who is not named: 'unit head of Operations'."""
        return self._role(self._first[person_id]) if person_id in self._first else "not named"

    def recorded(self, text: str) -> str:
        """Words that somebody recorded, without the names of role holders who are not named."""
        return self._unnamed.sub(self._role_for_name, text) if self._hidden_names else text

    def without_names(self, page: Page) -> Page:
        """A scorecard or a leader's page of which every text is held to that rule; ids are not."""
        return cast(Page, self._in(page)) if self._hidden_names else page

    def _in(self, value: object) -> object:
        if isinstance(value, str):
            return self.recorded(value)
        if isinstance(value, tuple):
            return tuple(self._in(each) for each in value)
        if isinstance(value, dict):
            return {key: self._in(each) for key, each in value.items()}
        if isinstance(value, BaseModel):
            texts = {name: self._in(each) for name, each in value if not name.endswith("_id")}
            return value.model_copy(update=texts)
        return value

    @cached_property
    def _hidden_names(self) -> dict[str, str]:
        return {
            name.casefold(): wording.role_name(str(self._first[person]["role"]))
            if person in self._first
            else "a leader"
            for person, name in self._people.items()
            if person not in self._named
        }

    @cached_property
    def _unnamed(self) -> re.Pattern[str]:
        names = sorted(self._hidden_names, key=len, reverse=True)  # 'Ann Lee-Moss' before 'Ann Lee'
        listed = "|".join(r"\s+".join(map(re.escape, name.split())) for name in names)
        return re.compile(rf"(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE)

    def _role_for_name(self, found: re.Match[str]) -> str:
        return self._hidden_names.get(" ".join(found[0].casefold().split()), "a leader")

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
        roles = [self._role_of(person_id, part) for part in _parts(role or "")]
        return wording.listed(roles) or self.role(str(person_id))

    def _role_of(self, person_id: str | None, role: str) -> str:
        """A role, with its unit where a leader holds it for one."""
        held = (r for r in self._rows if (r["person_id"], r["role"]) == (person_id, role))
        row = next(held, None) if role in NAMED_ROLES else None
        return wording.role_name(role) if row is None else self._role(row)

    def _of(self, row: Row) -> str:
        """The name of the unit that a role is held for; '' for the whole."""
        unit = str(row["org_unit_id"])
        return self._units.get(unit, "") if self._tree.get(unit) else ""

    def _role(self, row: Row) -> str:
        """A row's role, with its unit: 'unit head of Operations'."""
        role, unit = wording.role_name(str(row["role"])), self._of(row)
        return f"{role} of {unit}" if unit else role

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
        """Person id and printed words of who acts in the role; None where nobody can."""
        for row in self._nearest(role, unit):
            if row["is_active"] and row["full_name"]:
                person = str(row["person_id"])
                return person, self._named.get(person) or self._role(row)
            if row["deputy_is_active"] and row["deputy_name"]:
                person = str(row["deputy_person_id"])
                deputy = str(row["deputy_name"]) if self._names_deputies else None
                name = self._named.get(person) or deputy
                return person, f"{name} (deputy)" if name else f"deputy {self._role(row)}"
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
