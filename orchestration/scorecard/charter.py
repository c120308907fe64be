"""The parts of the programme charter that pages need and no figure does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from orchestration.settings import Settings
from orchestration.warehouse.charter import SHIPPED_CHARTER, read_seed

Cells = Mapping[str, str]


@dataclass(frozen=True)
class Charter:
    """Rows of the charter's files, their cells as text ('' = empty)."""

    review_calendar: tuple[Cells, ...] = ()
    review_rules: tuple[Cells, ...] = ()
    blocker_rights: tuple[Cells, ...] = ()
    leader_targets: tuple[Cells, ...] = ()
    early_warnings: tuple[Cells, ...] = ()

    def calendar(self, ritual: str) -> Cells | None:
        """The ritual's row of the review calendar."""
        return next((row for row in self.review_calendar if row["ritual"] == ritual), None)

    def rule(self, name: str, on: date) -> Decimal | None:
        """The value of a review rule that is in force on a day."""
        found = _in_force((r for r in self.review_rules if r["rule"] == name), on)
        return Decimal(found["value"]) if found else None

    def action_days(self, warning_id: str, on: date) -> int | None:
        """Days to act in on an early warning: its own, else those of all."""
        own = _in_force((r for r in self.early_warnings if r["warning_id"] == warning_id), on)
        if own and own["action_days"]:
            return int(own["action_days"])
        days = self.rule("action_days", on)
        return int(days) if days else None

    def blocker(self, name: str) -> Cells | None:
        """The row that says by which decision right a kind of blocker is removed."""
        return next((row for row in self.blocker_rights if row["blocker"] == name), None)

    def leader_target(self, person_id: str, kpi_id: str, on: date) -> Decimal | None:
        """The target agreed with a named leader that is in force on a day."""
        rows = (
            r for r in self.leader_targets if r["person_id"] == person_id and r["kpi_id"] == kpi_id
        )
        found = _in_force(rows, on)
        return Decimal(found["target"]) if found else None


def load_charter(settings: Settings) -> Charter:
    """Read the charter in force: as assembled, else the organisation's own, else the shipped one.

    Raises:
        Problem: a file is not valid; names file, column and row.
    """
    folders = [settings.home / "charter", settings.charter_overlay, SHIPPED_CHARTER]

    def rows(name: str) -> tuple[Cells, ...]:
        files = [folder / f"{name}.csv" for folder in folders if folder is not None]
        file = next((file for file in files if file.exists()), files[-1])
        return tuple(row for _, row in read_seed(name, file))

    return Charter(
        review_calendar=rows("review_calendar"),
        review_rules=rows("review_rules"),
        blocker_rights=rows("blocker_rights"),
        leader_targets=rows("leader_targets"),
        early_warnings=rows("early_warnings"),
    )


def _in_force(rows: Iterable[Cells], on: date) -> Cells | None:
    known = [
        row
        for row in rows
        if row["valid_from"] <= on.isoformat()
        and not ("" < row.get("valid_to", "") <= on.isoformat())
    ]
    return max(known, key=lambda row: row["valid_from"], default=None)
