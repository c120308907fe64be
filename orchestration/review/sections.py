"""What the templates see of the log, warnings, plans and sittings: the parts rituals share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol, TypeVar

from orchestration.review.figures import figure, in_table
from orchestration.review.words import (
    clean,
    counted,
    long_date,
    sentence_case,
    short_date,
    spelled,
    unbroken,
)
from orchestration.scorecard.model import (
    Candidate,
    EarlyWarning,
    Leadership,
    LogEntry,
    PlanItem,
    PlanProgress,
    Sitting,
    UnitLeadership,
)

PLAN_DAYS = 90
MOST_PLANS_IN_MAIL = 2
NEXT_OF_PLAN = 3
"""Actions not yet due that a pack names; the whole plan stands in the leader's own sheet."""

_MINUTES = re.compile(r"(?P<what>.*\D)\s+(?P<minutes>\d{1,3})")


def sentence(text: str, limit: int) -> str:
    """One sentence with its full stop."""
    words = clean(text, limit)
    return words if words.endswith((".", "!", "?", "\u2026")) or not words else f"{words}."


def in_unit(what: str, unit: str, limit: int) -> str:
    """'Two launches within 30 days, Operations'; the unit is left out where it is named already."""
    text, unit = clean(what, limit).removesuffix("."), clean(unit, 50)
    return text if not unit or unit.casefold() in text.casefold() else f"{text}, {unit}"


def day(value: date) -> str:
    """'12 October 2026', kept on one line."""
    return unbroken(long_date(value))


def days(count: int) -> str:
    """'6 days', '1 day'."""
    return unbroken(f"{count:,} {'day' if count == 1 else 'days'}")


def log_entry(entry: LogEntry) -> dict[str, Any]:
    """One entry of the decision and action log; ``tone`` is bad where it is late or faulty."""
    return {
        "title": clean(entry.title, 200),
        "kind": entry.kind,
        "unit": _unsaid(clean(entry.unit or "", 60), entry.title),
        "owner": sentence_case(clean(entry.owner, 60)),
        "asked": day(entry.asked_on),
        "due": day(entry.due_on) if entry.due_on else None,
        "status": sentence_case(clean(entry.status_text, 120)),
        "late": entry.status == "overdue",
        "waited": days(entry.waiting_days),
        "outcome": clean(entry.outcome, 240) if entry.outcome else None,
        "note": sentence_case(clean(entry.note, 160)) if entry.note else None,
        "tone": "bad" if entry.status == "overdue" or entry.note else "neutral",
    }


def _unsaid(unit: str, text: str) -> str | None:
    """The unit, where a text does not name it already."""
    return unit if unit and unit.casefold() not in text.casefold() else None


def log_line(entry: LogEntry) -> str:
    """Who owns an entry, where, and how it stands: 'Marcus Lindqvist, Operations: ...'."""
    who, unit = sentence_case(clean(entry.owner, 60)), clean(entry.unit or "", 60)
    owner = listed_words((who, _unsaid(unit, who) or ""))
    age = f"asked {counted(entry.waiting_days, 'day')} ago" if entry.waiting_days else ""
    if entry.status in ("decided", "done", "withdrawn"):
        age = ""
    line = f"{owner}: {listed_words((clean(entry.status_text, 120), age))}"
    return f"{line}. {sentence(sentence_case(entry.note), 160)}" if entry.note else line


def listed_words(words: tuple[str, ...]) -> str:
    """The words that are there, with commas between."""
    return ", ".join(word for word in words if word)


def early_warning(warning: EarlyWarning) -> dict[str, Any]:
    """An early warning with its evidence and its countermeasure."""
    return {
        "pain_point": sentence_case(clean(warning.pain_point.replace("_", " "), 60)),
        "title": in_unit(warning.finding, warning.unit, 240),
        "since": day(warning.since),
        "evidence": [clean(line, 160) for line in warning.evidence[:6]],
        "more_evidence": max(0, len(warning.evidence) - 6),
        "countermeasure": sentence(warning.countermeasure, 300),
        "owner": sentence_case(clean(warning.owner, 60)),
        "due": day(warning.due_on),
    }


def next_sitting(sitting: Sitting | None) -> dict[str, Any] | None:
    """When, how long, where and about what the ritual sits next."""
    if sitting is None:
        return None
    return {
        "name": clean(sitting.name, 80),
        "when": unbroken(f"{sitting.starts_at:%A} {sitting.starts_at.day} {sitting.starts_at:%B}")
        + unbroken(f" {sitting.starts_at:%Y}, {sitting.starts_at:%H:%M}"),
        "minutes": unbroken(f"{sitting.minutes} minutes"),
        "place": _place(sitting.place) if sitting.place else None,
        "agenda": [_agenda_item(item) for item in sitting.agenda[:8]],
    }


def _place(place: str) -> str:
    text = clean(place, 80)
    return unbroken(text) if len(text) <= 24 else text


def _agenda_item(item: str) -> str:
    """'exceptions 10' of the review calendar as 'exceptions, 10 minutes'."""
    text = clean(item, 120)
    if parted := _MINUTES.fullmatch(text):
        return f"{parted['what'].rstrip(' ,:')}, {unbroken(parted['minutes'] + ' minutes')}"
    return text


def candidate(course: Candidate) -> dict[str, Any]:
    """A course to decommission or a campaign to run, with its evidence."""
    return {
        "what": clean(course.what, 120),
        "evidence": [sentence_case(clean(line, 160)) for line in course.evidence[:5]],
        "owner": sentence_case(clean(course.owner, 60)),
        "due": day(course.due_on),
        "silence": sentence(course.silence, 160),
    }


# ---------------------------------------------------------------- leadership


class _InTree(Protocol):
    @property
    def depth(self) -> int: ...


Row = TypeVar("Row", bound=_InTree)


def listed_units(units: Sequence[Row], most: int) -> list[Row]:
    """The units a table has room for: the deepest levels are left out first, then the last."""
    kept = list(units)
    for depth in range(max((u.depth for u in kept), default=0), 1, -1):
        if len(kept) <= most:
            break
        kept = [u for u in kept if u.depth < depth]
    return kept[:most]


def leadership_page(page: Leadership | None, most_units: int) -> dict[str, Any] | None:
    """The leadership page: units in tree order, exceptions, plans, vacancies, attendance."""
    if page is None:
        return None
    units = listed_units(page.units, most_units)
    rows = [_unit_leadership(unit) for unit in units]
    return {
        "units": rows,
        "more_units": len(page.units) - len(units),
        "hidden": any(cell["text"] == "hidden" for row in rows for cell in row["cells"]),
        "exceptions": [sentence(line, 240) for line in page.exceptions[:12]],
        "more_exceptions": max(0, len(page.exceptions) - 12),
        "plans": [plan(each) for each in page.plans],
        "vacancies": [sentence(line, 160) for line in page.vacancies[:20]],
        "more_vacancies": max(0, len(page.vacancies) - 20),
        "footnote": sentence(page.footnote, 240) if page.footnote else None,
    }


def _unit_leadership(unit: UnitLeadership) -> dict[str, Any]:
    figures = (
        unit.visible_weeks,
        unit.leaders_active,
        unit.leaders_flagship,
        unit.velocity_before,
        unit.velocity_after,
        unit.commitments,
        unit.decision_wait,
        unit.cascade,
    )
    return {
        "name": clean(unit.name, 60),
        "depth": unit.depth,
        "sponsor": sentence_case(clean(unit.sponsor, 60)),
        "cells": [in_table(each) for each in figures],
    }


def plan(progress: PlanProgress) -> dict[str, Any]:
    """A unit's engagement plan: where it stands, and every action with its evidence."""
    items = [plan_item(item) for item in progress.items]
    late = [item for item in items if item["status"] == "overdue"]
    return {
        "unit": clean(progress.unit, 60),
        "leader": sentence_case(clean(progress.leader, 60)),
        "launched": day(progress.launch_on),
        "day": unbroken(f"day {max(progress.day, 0)} of {PLAN_DAYS}")
        if progress.day <= PLAN_DAYS
        else unbroken(f"day {progress.day}"),
        "reached": round(min(max(progress.day / PLAN_DAYS, 0.0), 1.0), 4),
        "on_track": figure(progress.on_track),
        "done": f"{progress.done} of {progress.due_by_now}",
        "line": plan_line(progress),
        "items": items,
        "late": late,
        "next": [item for item in items if item["status"] == "due"],
        "shown": [
            *late,
            *(item for item in items if item["status"] == "due"),
            *[item for item in items if item["status"] == "not_yet"][:NEXT_OF_PLAN],
        ],
        "marks": [
            {
                "x": round(min(item.day / PLAN_DAYS, 1.0), 4),
                "status": item.status,
            }
            for item in progress.items
            if item.day <= PLAN_DAYS
        ],
        "asks_for": sentence(progress.asks_for, 200) if progress.asks_for else None,
        "held": sentence(progress.held, 240) if progress.held else None,
    }


def plan_line(progress: PlanProgress) -> str:
    """'Operations: day 52 of 90, 89 % on track, 8 of 9 due actions done, one overdue'."""
    overdue = sum(item.status == "overdue" for item in progress.items)
    words = [
        f"day {progress.day}{f' of {PLAN_DAYS}' if progress.day <= PLAN_DAYS else ''}",
        *([f"{progress.on_track.text} on track"] if progress.on_track.state == "value" else []),
        f"{progress.done} of {progress.due_by_now} due actions done"
        if progress.due_by_now
        else "nothing due yet",
        *([f"{spelled(overdue)} overdue"] if overdue else []),
    ]
    return f"{clean(progress.unit, 60)}: {', '.join(words)}"


_STATUS = {"done": "Done", "due": "Due", "overdue": "Overdue", "not_yet": "Not yet due"}


def plan_item(item: PlanItem) -> dict[str, Any]:
    """One action of a plan; only an overdue one carries the tone of a concern."""
    return {
        "day": str(item.day),
        "due": day(item.due_on),
        "due_short": unbroken(short_date(item.due_on)),
        "phase": sentence_case(clean(item.phase.replace("_", " "), 40)),
        "action": clean(item.action, 160),
        "owner": sentence_case(clean(item.owner, 60)),
        "status": item.status,
        "word": _STATUS[item.status],
        "tone": "bad" if item.status == "overdue" else "neutral",
        "evidence": clean(item.evidence, 120) if item.evidence else None,
    }


def plan_lines(page: Leadership | None) -> list[str]:
    """The plans in a line each, for a mail; none where they are too many to be read there."""
    if page is None or len(page.plans) > MOST_PLANS_IN_MAIL:
        return []
    return [plan_line(each) for each in page.plans]
