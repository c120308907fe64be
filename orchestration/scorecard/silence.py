"""Decisions that take effect when nobody answers in time: the charter's rule, read into the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestration.periods import Period
from orchestration.scorecard.marts import Row

TOOK_EFFECT = "took effect, no answer by then"
"""What came of such a decision, as the log says it."""


def with_silence(
    log: Iterable[Row], rights: Sequence[Row], period: Period
) -> tuple[list[Row], frozenset[str]]:
    """The log with decisions whose silence agrees settled on the day that their time ran out.

    Args:
        log: rows of the published ``decision_log`` of the period.
        rights: rows of the published ``decision_rights``.

    Returns:
        The rows, and the ids of the entries that silence settled.
    """
    agrees = {str(row["decision_id"]) for row in rights if row["silence"] == "takes_effect"}
    rows, settled = [], set()
    for row in log:
        until = row["due_on"] or row["first_due_on"]
        if (
            row["kind"] in ("decision", None)
            and row["status"] == "overdue"
            and str(row["right_id"]) in agrees
            and until is not None
            and until < period.end
        ):
            settled.add(str(row["entry_id"]))
            row = {**row, "status": "decided", "decided_on": until, "outcome": TOOK_EFFECT}
        rows.append(row)
    return rows, frozenset(settled)
