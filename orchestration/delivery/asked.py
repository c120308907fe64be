"""What a published review asks for, entered into the decision and action log.

An entry's id follows from what is asked, so entering it again adds nothing. A decision that waited
too long keeps its entry: the review only asks it of somebody else, by another date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestration.feeds.recording import decision_log, record
from orchestration.problems import Problem
from orchestration.scorecard.draft import FILE, read_scorecard
from orchestration.scorecard.model import (
    Candidate,
    Decision,
    EarlyWarning,
    LogEntry,
    Scorecard,
)
from orchestration.scorecard.silence import TOOK_EFFECT
from orchestration.settings import Settings
from orchestration.state import Edition, State

_NUMBER = re.compile(r"\d{1,3}(,\d{3})+(\.\d{1,2})?|\d+(\.\d{1,2})?")


def record_asked(state: State, settings: Settings, ritual: str, period_id: str) -> int:
    """Enter what the handed-over editions of a period ask for, where that was not done yet.

    A crash between handing over and this, or within this, loses and doubles nothing: whoever comes
    next does it again.

    Returns:
        The number of rows added to the log.

    Raises:
        Problem: an edition's scorecard cannot be read, or the recording is refused.
    """
    added = 0
    for edition in state.unrecorded_editions(ritual):
        if edition.period_id == period_id:
            added += _record_edition(settings, edition)
            state.mark_recorded(edition.edition_id)
    return added


def _record_edition(settings: Settings, edition: Edition) -> int:
    card = read_scorecard(Path(edition.folder) / FILE)
    if (card.ritual, card.period_id) != (edition.ritual, edition.period_id):
        raise Problem("the sealed scorecard is of another review.", file=edition.folder)
    asked_on = edition.sealed_at.astimezone(settings.organisation.zone).date()
    rows = asked_rows(card, asked_on, decision_log(settings))
    return len(record(settings, rows).added) if rows else 0


def asked_rows(
    card: Scorecard, asked_on: date, known: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, object]]:
    """The rows of the feed ``records`` that a published scorecard makes.

    A review that went out late asks for nothing by a day before it was asked: due that day. What
    the log has already, a warning's action or a candidate, keeps its owner and its date.

    Args:
        asked_on: the day it was sealed, in the organisation's time zone.
        known: the decision log now, by entry id.
    """
    rows = [
        _decision_row(card, each, asked_on, known.get(each.decision_id))
        for each in card.decisions
        if not each.covers  # its candidates are entered one by one
    ]
    rows += [
        _action_row(card, each, asked_on)
        for each in card.warnings
        if each.entry_id is not None and each.entry_id not in known
    ]
    rows += [
        _candidate_row(card, each, asked_on)
        for each in card.candidates
        if each.entry_id is not None and each.entry_id not in known
    ]
    rows += [
        _silent_row(each)
        for each in card.log
        if each.took_effect_on is not None
        and not any(known.get(each.entry_id, {}).get(f) for f in ("decided_on", "closed_on"))
    ]
    return [row for row in rows if row]


def _decision_row(
    card: Scorecard, decision: Decision, asked_on: date, entry: Mapping[str, Any] | None
) -> dict[str, object]:
    row: dict[str, object] = {
        "source": "review",
        "subject": "decision",
        "entry_id": decision.decision_id,
        "owner_role": decision.owner_role_id,
        "owner_person_id": decision.owner_person_id,
        "due_on": max(decision.due_on, asked_on),
    }
    if entry is not None and entry.get("asked_in") != card.period_id:
        # asked one level up; who let it wait stays the owner where nobody else is named
        renamed = decision.owner_person_id is not None or not entry.get("owner_person_id")
        return row if renamed else {}
    return row | {
        "kind": "decision",
        "title": decision.what,
        "right_id": decision.right_id,
        "org_unit_id": decision.org_unit_id,
        "asked_on": asked_on,
        "asked_in": card.period_id,
        "amount": plain_amount(decision.amount, card.currency),
        "if_not_taken": decision.if_not_taken,
    }


def _action_row(card: Scorecard, warning: EarlyWarning, asked_on: date) -> dict[str, object]:
    return {
        "source": "review",
        "subject": "decision",
        "entry_id": warning.entry_id,
        "kind": "action",
        "title": warning.countermeasure,
        "org_unit_id": warning.org_unit_id,
        "owner_role": warning.owner_role_id,
        "asked_on": asked_on,
        "asked_in": card.period_id,
        "due_on": max(warning.due_on, asked_on),
        "warning_id": warning.warning_id,
    }


def _candidate_row(card: Scorecard, candidate: Candidate, asked_on: date) -> dict[str, object]:
    decision = candidate.right_id is not None
    return {
        "source": "review",
        "subject": "decision",
        "entry_id": candidate.entry_id,
        "kind": "decision" if decision else "action",
        "title": f"Decommission {candidate.title}" if decision else candidate.title,
        "right_id": candidate.right_id,
        "owner_role": candidate.owner_role_id,
        "owner_person_id": candidate.owner_person_id,
        "asked_on": asked_on,
        "asked_in": card.period_id,
        "due_on": max(candidate.due_on, asked_on),
        "if_not_taken": candidate.silence,
    }


def _silent_row(entry: LogEntry) -> dict[str, object]:
    """What silence decided, once its time had run out."""
    return {
        "source": "review",
        "subject": "decision",
        "entry_id": entry.entry_id,
        "decided_on": entry.took_effect_on,
        "outcome": TOOK_EFFECT,
    }


def plain_amount(text: str | None, currency: str) -> Decimal | None:
    """The sum that a decision's amount states, where it states one and nothing else.

    ``GBP 12,400`` is one; ``up to GBP 25,000``, a range and ``working time only`` are not.
    """
    number = (text or "").strip().removeprefix(currency).strip()
    return Decimal(number.replace(",", "")) if _NUMBER.fullmatch(number) else None
