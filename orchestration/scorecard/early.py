"""Early warnings in words: what was measured, since when, what is done about it and by whom."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from orchestration.scorecard import wording
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import EarlyWarning

MOST_EVIDENCE = 5
"""Evidence rows that a warning lists; the others are counted."""
NO_SPONSOR = "no_visible_sponsor"

_COMPARED = {"at_least": "at least", "over": "over", "under": "under"}


def warnings(figures: Figures) -> tuple[EarlyWarning, ...]:
    """The period's early warnings: units in tree order, then the longest standing first."""
    rows = sorted(
        figures.marts.early_warnings,
        key=lambda r: (
            figures.place(r["org_unit_id"]),
            r["since_on"],
            str(r["warning_id"]),
            str(r["message_id"] or ""),
            str(r["entry_id"]),
        ),
    )
    return tuple(warning(row, figures) for row in rows)


def warning(row: Row, figures: Figures) -> EarlyWarning:
    """One row of the published ``early_warnings`` in words."""
    unit = figures.unit_of_row(row)
    return EarlyWarning(
        warning_id=str(row["warning_id"]),
        pain_point=str(row["pain_point"]).replace("_", " "),
        unit=figures.names.get(unit, unit),
        finding=_finding(row, figures),
        since=row["since_on"],
        evidence=_evidence(row, figures),
        countermeasure=str(row["countermeasure"]),
        owner=figures.governance.who_can(str(row["owner_role"] or ""), unit),
        due_on=row["due_on"],
        entry_id=str(row["entry_id"]),
        org_unit_id=unit,
        owner_role_id=row["owner_role"],
    )


def _finding(row: Row, figures: Figures) -> str:
    measured = Decimal(str(row["measured"] if row["measured"] is not None else 0))
    count = wording.plain_number(measured)
    known = str(row["warning_id"])
    one = measured == 1
    if known.startswith("sponsor_silent"):
        weeks = f"{count} week{'' if one else 's'}"
        return f"No record of a visible sponsor action for {weeks}"
    sentences: Mapping[str, str] = {
        "mandatory_launches": f"{count} mandatory launches within 30 days",
        "mandatory_hours": f"{count} hours of mandatory learning due per head within 30 days",
        "competing_initiative": (
            "One competing initiative runs at the same time"
            if one
            else f"{count} competing initiatives run at the same time"
        ),
        "two_messages": f"{count} messages for one audience are live at once",
        "old_message": f"The core sentence is {wording.days(int(measured))} old",
        "weak_cascade": f"{count} % of managers confirmed the message within 10 days",
        "one_function": f"All leader actions of {count} weeks came from one function",
    }
    if _too_few(row, figures):
        return {
            "mandatory_hours": "Much mandatory learning is due within 30 days",
            "weak_cascade": "Too few managers confirmed the message within 10 days",
        }[known]
    if known in sentences:
        return sentences[known]
    threshold = wording.plain_number(Decimal(str(row["threshold"])))
    compared = _COMPARED.get(str(row["comparison"]), str(row["comparison"]))
    return f"{wording.sentence(known)}: {count} (the limit: {compared} {threshold})"


def _too_few(row: Row, figures: Figures) -> bool:
    """Whether the measure is a share of a group below the privacy threshold."""
    unit = figures.unit_of_row(row)
    if row["warning_id"] == "mandatory_hours":
        return int(figures.units.get(unit, {}).get("headcount") or 0) < figures.threshold
    if row["warning_id"] == "weak_cascade":
        managers = [
            int(r["managers"] or 0)
            for r in figures.marts.message_cascade
            if r["message_id"] == row["message_id"] and figures.unit_of_row(r) == unit
        ]
        return max(managers, default=0) < figures.threshold
    return False


def _evidence(row: Row, figures: Figures) -> tuple[str, ...]:
    unit = figures.unit_of_row(row)
    rows = sorted(
        (
            r
            for r in figures.marts.early_warning_evidence
            if r["warning_id"] == row["warning_id"] and figures.unit_of_row(r) == unit
        ),
        key=lambda r: (str(r["evidence_on"] or ""), str(r["evidence_id"])),
        reverse=True,
    )
    texts = list(dict.fromkeys(_note(r) for r in rows))
    shown, more = texts[:MOST_EVIDENCE], len(texts) - MOST_EVIDENCE
    return (*shown, *((f"and {more} more",) if more > 0 else ()))


def _note(row: Row) -> str:
    what = str(row["note"] or str(row["evidence_kind"] or "").replace("_", " "))
    on = row["evidence_on"]
    return f"{what}, {wording.day(on)}" if on else what
