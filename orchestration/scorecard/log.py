"""The decision and action log as pages show it: what was asked, who it waits for, how long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast

from orchestration.periods import Period
from orchestration.scorecard import wording
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import LogEntry
from orchestration.scorecard.silence import TOOK_EFFECT

OPEN = ("open", "overdue")
SETTLED = ("decided", "done")

_FAULTS = {
    "decided_without_right": "decided without the right to",
    "unknown_right": "its decision right is not in the charter",
    "unknown_owner": "its owner is not known",
    "decision_for_unknown_entry": "decided, but never asked for",
}
Kind = Literal["decision", "action", "commitment"]
_KINDS: tuple[Kind, ...] = ("decision", "commitment", "action")


def entry(row: Row, figures: Figures) -> LogEntry:
    """One row of the published ``decision_log`` in words."""
    unit = row["org_unit_id"]
    fault = row["fault"]
    return LogEntry(
        entry_id=str(row["entry_id"]),
        kind=kind_of(row),
        title=str(row["title"] or row["entry_id"]),
        unit=None if unit in (None, figures.root) else figures.names.get(str(unit), str(unit)),
        owner=figures.governance.person(row["owner_person_id"], row["owner_role"]),
        asked_on=row["asked_on"] or row["decided_on"] or figures.period.end,
        due_on=row["first_due_on"],
        status=row["status"],
        status_text=_status(row, figures.period),
        waiting_days=max(0, int(row["waiting_days"] or 0)),
        outcome=str(row["outcome"]) if row["outcome"] else None,
        note=_FAULTS.get(str(fault), str(fault).replace("_", " ")) if fault else None,
        took_effect_on=row["decided_on"] if row["entry_id"] in figures.silent else None,
    )


def age(found: LogEntry) -> str:
    """'asked 12 days ago; overdue by 3 days', of an entry that stands in the log."""
    return f"asked {wording.days(found.waiting_days)} ago; {found.status_text}"


def kind_of(row: Row) -> Kind:
    """What an entry is; one that was decided and never asked for is a decision."""
    return cast(Kind, row["kind"] or "decision")


def _status(row: Row, period: Period) -> str:
    status = str(row["status"])
    if status == "overdue":
        late = (period.end - row["first_due_on"]).days if row["first_due_on"] else 0
        return f"overdue by {wording.days(late)}" if late > 0 else "overdue"
    if status == "open":
        due = row["first_due_on"]
        return f"open, due on {wording.day(due)}" if due else "open, no due date"
    settled_on = row["decided_on"] or row["closed_on"]
    if status == "decided" and row["outcome"] == TOOK_EFFECT:
        return f"took effect on {wording.day(settled_on)}"
    if status == "withdrawn":
        settled_on = row.get("withdrawn_on")
    elif status == "done":
        settled_on = row["closed_on"]
    return f"{status} on {wording.day(settled_on)}" if settled_on else status


def carried(figures: Figures, elsewhere: frozenset[str] = frozenset()) -> tuple[LogEntry, ...]:
    """The log of a monthly or quarterly review, each entry once.

    First the decisions that the review before asked for (or that were asked for within the
    period) and those that silence settled within it, then everything else that is still open:
    decisions, commitments, actions, the oldest first.

    Args:
        elsewhere: entries that stand on another part of the page.
    """
    rows = [row for row in figures.marts.decision_log if row["entry_id"] not in elsewhere]
    asked = [
        row
        for row in rows
        if was_asked(row, figures.period)
        or (row["entry_id"] in figures.silent and row["decided_on"] >= figures.period.start)
    ]
    known = {row["entry_id"] for row in asked}
    still = [row for row in rows if row["status"] in OPEN and row["entry_id"] not in known]
    return (
        *(entry(row, figures) for row in _oldest_first(asked)),
        *(entry(row, figures) for kind in _KINDS for row in _oldest_first(_of(still, kind))),
    )


def waiting(figures: Figures) -> tuple[LogEntry, ...]:
    """The log of a weekly digest: what is open and not overdue, the oldest first."""
    rows = [row for row in figures.marts.decision_log if row["status"] == "open"]
    return tuple(entry(row, figures) for row in _oldest_first(rows))


def done_of_asked(figures: Figures) -> tuple[int, int] | None:
    """Of the decisions asked for by the review before: how many are done, and how many they are.

    Those withdrawn since are asked for no longer. None where none was asked for.
    """
    asked = [
        row
        for row in figures.marts.decision_log
        if was_asked(row, figures.period) and row["status"] != "withdrawn"
    ]
    if not asked:
        return None
    return sum(row["status"] in SETTLED for row in asked), len(asked)


def was_asked(row: Row, period: Period) -> bool:
    """Whether a row is a decision asked for by the review before, or within the period."""
    if kind_of(row) != "decision":
        return False
    asked_on = row["asked_on"]
    within = asked_on is not None and period.start <= asked_on <= period.end
    return within or bool(row["asked_in"] == period.shift(-1).id)


def commitments(figures: Figures) -> tuple[LogEntry, ...]:
    """Commitments that are open, or were settled within the period."""
    rows = []
    for row in _of(figures.marts.decision_log, "commitment"):
        settled_on = row["closed_on"] or row["decided_on"]
        settled = settled_on is not None and settled_on >= figures.period.start
        if row["status"] in OPEN or (row["status"] in SETTLED and settled):
            rows.append(row)
    return tuple(entry(row, figures) for row in _oldest_first(rows))


def _of(rows: Iterable[Row], kind: str) -> list[Row]:
    return [row for row in rows if kind_of(row) == kind]


def _oldest_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda r: (str(r["asked_on"] or ""), str(r["entry_id"])))
