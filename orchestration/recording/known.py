"""What a recorded word may mean: people and units as last delivered, and the charter's words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import in_force, raw_partition
from orchestration.feeds.rules import LEADER_ACTION_KINDS
from orchestration.lake import Lake, identifier, quoted
from orchestration.problems import Problem
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.charter import DERIVED_ROLES, ROLES, charter_rows, did_you_mean


@dataclass(frozen=True)
class Person:
    """One person as last delivered."""

    person_id: str
    full_name: str
    email: str
    leader_level: str
    left_on: date | None


@dataclass(frozen=True)
class Right:
    """One decision right: its wording, who decides, and within how many days."""

    right_id: str
    decision: str
    decides_role: str
    days: int


@dataclass(frozen=True)
class Known:
    """Everything that a recorded row may refer to.

    Attributes:
        people: by person id; empty where people were never delivered, and then every id is
            accepted, as landing does.
        units: name of each org unit; ``sponsors`` the sponsor each names. Empty likewise.
        metrics: business outcomes that a programme declares or that were delivered;
            ``delivered_metrics`` the latter alone.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    sponsors: Mapping[str, str] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    rights: Mapping[str, Right] = field(default_factory=dict)
    kpis: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    delivered_metrics: tuple[str, ...] = ()
    governed_by: tuple[str, ...] = ()

    @classmethod
    def read(cls, settings: Settings) -> Known:
        """Read the charter in force and the lake.

        Raises:
            Problem: the charter is not valid and none was in force before.
        """
        charter = {name: [row for _, row in rows] for name, rows in charter_rows(settings).items()}
        lake = Lake(settings.lake_url, settings.duckdb)
        people = {
            row["person_id"]: Person(
                row["person_id"],
                row["full_name"] or "",
                row["email"] or "",
                (row["leader_level"] or "none").strip().lower(),
                row["left_on"],
            )
            for row in _newest(lake, "people")
        }
        units = _newest(lake, "org_units")
        declared = {row["outcome_metric"] for row in charter["programme"]} - {""}
        delivered = {row["metric"] for row in _newest(lake, "business_outcomes")}
        return cls(
            people=people,
            units={row["org_unit_id"]: row["name"] or row["org_unit_id"] for row in units},
            sponsors={
                row["org_unit_id"]: row["sponsor_person_id"]
                for row in units
                if row["sponsor_person_id"]
            },
            kinds=tuple(
                dict.fromkeys(
                    [*(row["kind"] for row in charter["leader_action_kinds"]), *LEADER_ACTION_KINDS]
                )
            ),
            rights={
                row["decision_id"]: Right(
                    row["decision_id"], row["decision"], row["decides_role"], int(row["days"])
                )
                for row in charter["decision_rights"]
            },
            kpis={row["kpi_id"]: row["name"] for row in charter["kpi_catalogue"]},
            messages=tuple(row["message_id"] for row in charter["messages"]),
            metrics=tuple(sorted(declared | delivered)),
            delivered_metrics=tuple(sorted(delivered)),
            governed_by=tuple(
                dict.fromkeys(row["person_id"] for row in charter["governance_roles"])
            ),
        )

    def person(self, text: str) -> str:
        """The id of the person meant: by id, mail address or full name.

        Raises:
            Problem: nobody is meant, or several are.
        """
        if not self.people or text in self.people:
            return text
        wanted = text.casefold()
        meant = [
            person.person_id
            for person in self.people.values()
            if wanted in (person.email.casefold(), person.full_name.casefold())
        ]
        if len(meant) == 1:
            return meant[0]
        if meant:
            raise Problem(
                f"{len(meant)} people are called {text!r}.",
                remedy=f"give the person's id: {', '.join(sorted(meant))}.",
            )
        named = {p.full_name.casefold(): p for p in self.people.values()}
        close = difflib.get_close_matches(wanted, [*named, *self.people], n=1, cutoff=0.7)
        near = named.get(close[0]) if close else None
        said = close[0] if close and near is None else near.person_id if near else ""
        raise Problem(
            f"no person is known as {text!r}.",
            remedy=f"did you mean {said!r}?" if said else "give the id that the people feed has.",
        )

    def unit(self, text: str) -> str:
        """The id of the org unit meant, by id or name."""
        by_name = {name.casefold(): unit for unit, name in self.units.items()}
        if text.casefold() in by_name and text not in self.units:
            return by_name[text.casefold()]
        return self._one_of(text, self.units, "org unit")

    def kind(self, text: str) -> str:
        """A kind of leader action."""
        return self._one_of(text, self.kinds, "kind of leader action")

    def right(self, text: str) -> Right:
        """A decision right."""
        return self.rights[self._one_of(text, self.rights, "decision right")]

    def role(self, text: str) -> str:
        """A role of the charter."""
        return self._one_of(text, (*ROLES, *DERIVED_ROLES), "role")

    def kpi(self, text: str) -> str:
        """A KPI of the catalogue."""
        return self._one_of(text, self.kpis, "KPI")

    def message(self, text: str) -> str:
        """A message of the registry; any, where the registry is empty."""
        return self._one_of(text, self.messages, "message")

    def metric(self, text: str) -> str:
        """A business outcome; any, where none was ever declared or delivered."""
        return self._one_of(text, self.metrics, "business outcome")

    def word(self, text: str, among: Iterable[str], what: str) -> str:
        """One of a few fixed words, in any case of letters."""
        return self._one_of(text.lower(), tuple(among), what)

    @staticmethod
    def entry(text: str, log: Mapping[str, Mapping[str, str]]) -> str:
        """An entry of the decision log."""
        if text not in log:
            still_open = [name for name, held in log.items() if "closed_on" not in held]
            raise Problem(
                f"the decision log has no entry {text!r}.", remedy=did_you_mean(text, still_open)
            )
        return text

    @staticmethod
    def _one_of(text: str, among: Iterable[str], what: str) -> str:
        words = tuple(among)
        if not words or text in words:
            return text
        raise Problem(f"no {what} is called {text!r}.", remedy=did_you_mean(text, words))


def _newest(lake: Lake, feed: FeedName) -> list[dict[str, Any]]:
    """What is known of a feed now: the last version of each row, or all rows where not folded."""
    contract = CONTRACT[feed]
    columns = ", ".join(identifier(name) for name in contract.column_names)
    if contract.kind == "snapshot" and lake.exists("versions", f"{feed}.parquet"):
        key = ", ".join(identifier(name) for name in contract.key)
        versions = quoted(lake.path("versions", f"{feed}.parquet"))
        rows = _rows(
            lake,
            contract.column_names,
            f"SELECT {columns} FROM read_parquet({versions}) "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY valid_from DESC) = 1 "
            f"ORDER BY {key}",
        )
        if rows:
            return rows
    standing = [row for row in in_force(lake, feed) if row["rows_accepted"]]
    if contract.kind == "snapshot":
        standing = standing[-1:]
    if not standing:
        return []
    files = ", ".join(
        quoted(
            lake.path(
                "raw",
                feed,
                raw_partition(contract, row["delivery_date"].isoformat()),
                f"{row['delivery_id']}.parquet",
            )
        )
        for row in standing
    )
    return _rows(
        lake,
        contract.column_names,
        f"SELECT {columns} FROM read_parquet([{files}], hive_partitioning = false) ORDER BY ALL",
    )


def _rows(lake: Lake, names: tuple[str, ...], query: str) -> list[dict[str, Any]]:
    with lake.connect() as connection:
        return [dict(zip(names, row, strict=True)) for row in connection.execute(query).fetchall()]
