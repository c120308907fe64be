"""What the templates see of the log, warnings, plans and sittings: the parts rituals share."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from orchestration.review.words import clean, counted, long_date, sentence_case, unbroken
from orchestration.scorecard.model import EarlyWarning, LogEntry, Sitting

_MINUTES = re.compile(r"(?P<what>.*\D)\s+(?P<minutes>\d{1,3})")


def sentence(text: str, limit: int) -> str:
    """One sentence with its full stop."""
    words = clean(text, limit)
    return words if words.endswith((".", "!", "?", "\u2026")) or not words else f"{words}."


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
        "unit": clean(entry.unit, 60) if entry.unit else None,
        "owner": clean(entry.owner, 60),
        "asked": day(entry.asked_on),
        "due": day(entry.due_on) if entry.due_on else None,
        "status": sentence_case(clean(entry.status_text, 120)),
        "late": entry.status == "overdue",
        "waited": days(entry.waiting_days),
        "outcome": clean(entry.outcome, 240) if entry.outcome else None,
        "note": sentence_case(clean(entry.note, 160)) if entry.note else None,
        "tone": "bad" if entry.status == "overdue" or entry.note else "neutral",
    }


def log_line(entry: LogEntry) -> str:
    """Who owns an entry, where, and how it stands: 'Marcus Lindqvist, Operations: ...'."""
    owner = listed_words((clean(entry.owner, 60), clean(entry.unit or "", 60)))
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
        "unit": clean(warning.unit, 60),
        "finding": clean(warning.finding, 240).removesuffix("."),
        "since": day(warning.since),
        "evidence": [clean(line, 160) for line in warning.evidence[:6]],
        "more_evidence": max(0, len(warning.evidence) - 6),
        "countermeasure": sentence(warning.countermeasure, 300),
        "owner": clean(warning.owner, 60),
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
        "place": clean(sitting.place, 80) if sitting.place else None,
        "agenda": [_agenda_item(item) for item in sitting.agenda[:8]],
    }


def _agenda_item(item: str) -> str:
    """'exceptions 10' of the review calendar as 'exceptions, 10 minutes'."""
    text = clean(item, 120)
    if parted := _MINUTES.fullmatch(text):
        return f"{parted['what'].rstrip(' ,:')}, {unbroken(parted['minutes'] + ' minutes')}"
    return text
