"""Early warnings in words: what was measured, since when, what is done about it and by whom."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from orchestration.periods import nth_working_day
from orchestration.scorecard import log, wording
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import EarlyWarning
from orchestration.scorecard.sitting import sitting

MOST_EVIDENCE = 5
"""Evidence rows that a warning lists; the others are counted."""
ACTION_DAYS = 10
"""Working days to act in, where the charter sets no number."""
NO_SPONSOR = "no_visible_sponsor"

HOURS = "mandatory_hours_due_per_head_in_30_days"
CASCADE = "cascade_percent_in_10_days"
_COMPARED = {"at_least": "at least", "over": "over", "under": "under"}


def warnings(figures: Figures, charter: Charter) -> tuple[EarlyWarning, ...]:
    """The period's early warnings: units in tree order, then the longest standing first."""
    assigned = _assigned_on(figures, charter)
    known = {str(row["entry_id"]): row for row in figures.marts.decision_log}
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
    found = []
    for row in rows:
        days = charter.action_days(str(row["warning_id"]), figures.period.end) or ACTION_DAYS
        due = nth_working_day(assigned, days, figures.settings.organisation)
        found.append(_warning(row, figures, due, known.get(str(row["entry_id"]))))
    return tuple(found)


def _assigned_on(figures: Figures, charter: Charter) -> date:
    """The day from which the working days of a new action count: its sitting's.

    Where the calendar has no sitting it is the day of publication.
    """
    sits = sitting(figures.period, charter, figures.settings)
    if sits is None:
        return published_on(figures.period, figures.settings)
    return sits.starts_at.date()


def _warning(row: Row, figures: Figures, due: date, logged: Row | None) -> EarlyWarning:
    """One row of the published ``early_warnings`` in words; its action as the log has it."""
    unit = figures.unit_of_row(row)
    entry = None if logged is None else log.entry(logged, figures)
    owner = figures.governance.who_can(str(row["owner_role"] or ""), unit)
    if entry is not None and logged is not None:
        due = logged["due_on"] or entry.due_on or due
        owner = entry.owner
    return EarlyWarning(
        warning_id=str(row["warning_id"]),
        pain_point=str(row["pain_point"]).replace("_", " "),
        unit=figures.names.get(unit, unit),
        finding=finding(row, figures),
        since=row["since_on"],
        evidence=_evidence(row, figures),
        countermeasure=str(row["countermeasure"]),
        owner=owner,
        due_on=due,
        asked_on=None if entry is None else entry.asked_on,
        overdue=entry is not None and entry.status == "overdue",
        status_text=None if entry is None else log.age(entry),
        entry_id=str(row["entry_id"]),
        org_unit_id=unit,
        owner_role_id=row["owner_role"],
    )


def finding(row: Row, figures: Figures) -> str:
    """What was measured, by the parameter of the charter's rule."""
    measured = Decimal(str(row["measured"] if row["measured"] is not None else 0))
    count = wording.plain_number(measured)
    weeks = f"{count} week{'' if measured == 1 else 's'}"
    sentences = {
        "mandatory_launches_in_30_days": f"{count} mandatory launches within 30 days",
        HOURS: f"{count} hours of mandatory learning due per head within 30 days",
        "competing_initiatives_in_30_days": (
            "One competing initiative runs at the same time"
            if measured == 1
            else f"{count} competing initiatives run at the same time"
        ),
        "weeks_without_sponsor_action": f"No record of a visible sponsor action for {weeks}",
        "live_messages_for_one_audience": f"{count} messages for one audience are live at once",
        "core_sentence_age_in_days": f"The core sentence is {wording.days(int(measured))} old",
        CASCADE: f"{count} % of managers confirmed the message within 10 days",
        "weeks_with_one_function_only": f"All leader actions of {weeks} came from one function",
    }
    if _too_few(row, figures):
        sentences[HOURS] = "Much mandatory learning is due within 30 days"
        sentences[CASCADE] = "Too few managers confirmed the message within 10 days"
    parameter = str(row["parameter"])
    if parameter in sentences:
        return sentences[parameter]
    threshold = wording.plain_number(Decimal(str(row["threshold"])))
    compared = _COMPARED.get(str(row["comparison"]), str(row["comparison"]))
    return f"{wording.sentence(parameter)}: {count} (the limit: {compared} {threshold})"


def _too_few(row: Row, figures: Figures) -> bool:
    """Whether the measure is of a group below the privacy threshold, or would give one away.

    Warnings of several units may stand beside each other: a mean or a share of a unit and of all
    but one of its parts tells that part's.
    """
    unit = figures.unit_of_row(row)
    if row["parameter"] == HOURS:
        heads = {each: int(given["headcount"] or 0) for each, given in figures.units.items()}
        return not heads.get(unit) or unit in figures.few(heads)
    if row["parameter"] == CASCADE:
        known = {
            figures.unit_of_row(r): r["managers"]
            for r in figures.marts.message_cascade
            if r["message_id"] == row["message_id"]
        }
        return not known.get(unit) or unit in figures.few_managers(str(row["message_id"]))
    return False


def _evidence(row: Row, figures: Figures) -> tuple[str, ...]:
    if _too_few(row, figures):
        return ()  # its notes would say what the finding withholds
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
    texts = list(dict.fromkeys(_note(r, figures) for r in rows))
    shown, more = texts[:MOST_EVIDENCE], len(texts) - MOST_EVIDENCE
    return (*shown, *((f"and {more} more",) if more > 0 else ()))


def _note(row: Row, figures: Figures) -> str:
    kind, known = str(row["evidence_kind"] or ""), str(row["evidence_id"] or "")
    what = str(row["note"] or kind.replace("_", " "))
    if kind == "leader_action" and row["note"]:
        what = wording.action_title(str(row["note"]))
    elif kind == "org_unit":
        what = f"{figures.names.get(known, known)}: {what}"
    on = row["evidence_on"]
    return f"{what}, {wording.day(on)}" if on else what
