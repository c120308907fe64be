"""The weekly stand-up digest: one email, one phone screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestration.review.draft_files import CALENDAR, EMAIL, write_files
from orchestration.review.email import compose, manifest, subject_of
from orchestration.review.sections import in_unit, log_line, next_sitting, sentence
from orchestration.review.view import KINDS
from orchestration.review.words import (
    clean,
    counted,
    listed,
    sentence_case,
    short_date,
    spelled,
    unbroken,
)
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import to_json
from orchestration.scorecard.model import Blocker, EarlyWarning, LogEntry, Scorecard, StandUp, Win

MOST_OVERDUE = 3
"""Overdue actions told with unit and age; the others get one line each."""
MOST_CARRIED = 3
MOST_BLOCKERS = 3
MOST_WINS = 3
MOST_WARNINGS = 2
_CLAUSES = 95
_SKIP = (
    "Nothing is overdue, nothing stands in the way and nothing clearly changed. "
    "We propose to skip this week's stand-up."
)


def render_week(scorecard: Scorecard, folder: Path, calendar: bytes | None = None) -> list[Path]:
    """Render the digest's files into ``folder``; see :func:`write_files`.

    Args:
        scorecard: the week's figures, final.
        folder: the draft's folder; other files in it are left alone.
        calendar: the invitation to the sitting, if one is planned.
    """
    view = week_view(scorecard)
    subject = subject_line(scorecard)
    figures = to_json(scorecard)
    html, text = compose("week", view, subject, preheader(scorecard))
    return write_files(
        folder,
        {
            SCORECARD: figures,
            "email.html": html,
            "email.txt": text,
            **({CALENDAR: calendar} if calendar else {}),
            EMAIL: manifest(subject, figures, calendar=bool(calendar)),
        },
    )


def week_view(scorecard: Scorecard) -> dict[str, Any]:
    """The digest as texts: overdue first, then blockers, wins and warnings."""
    stand_up = _stand_up(scorecard)
    lines = [_overdue(entry) for entry in stand_up.overdue]
    late = {entry.entry_id for entry in stand_up.overdue}
    carried = [
        _carried_line(e)
        for e in scorecard.log
        if e.asked_on < scorecard.period_start and e.entry_id not in late
    ]
    blockers = stand_up.blockers[:MOST_BLOCKERS]
    more_blockers = stand_up.more_blockers + len(stand_up.blockers) - len(blockers)
    warnings = stand_up.warnings[:MOST_WARNINGS]
    more_warnings = stand_up.more_warnings + len(stand_up.warnings) - len(warnings)
    return {
        "kind": sentence_case(KINDS["weekly"]),
        "organisation": clean(scorecard.organisation, 60),
        "period": clean(scorecard.period_label, 40),
        "data_as_of": short_date(scorecard.data_as_of),
        "sentence": clean(scorecard.sentence, 300),
        "stale": clean(scorecard.stale_note, 160) if scorecard.stale_note else None,
        "skip": _SKIP if has_nothing(scorecard) else None,
        "overdue_title": sentence_case(_overdue_words(len(lines))),
        "overdue": lines[:MOST_OVERDUE],
        "also_overdue": [_overdue_line(entry) for entry in stand_up.overdue[MOST_OVERDUE:]],
        "all_overdue": lines,
        "carried_over": _carried(stand_up.carried_over),
        "carried_title": "Carried over, not yet due",
        "carried": carried[:MOST_CARRIED],
        "more_carried": max(0, len(carried) - MOST_CARRIED),
        "all_carried": carried,
        "blockers_title": sentence_case(counted(len(blockers) + more_blockers, "blocker")),
        "blockers": [_blocker(blocker) for blocker in blockers],
        "more_blockers": _first_of(len(blockers), more_blockers),
        "wins_title": sentence_case(counted(len(stand_up.wins[:MOST_WINS]), "quick win")),
        "wins": [_win(win) for win in stand_up.wins[:MOST_WINS]],
        "warnings_title": sentence_case(counted(len(warnings) + more_warnings, "early warning")),
        "warnings": [_warning(warning) for warning in warnings],
        "more_warnings": _first_of(len(warnings), more_warnings),
        "faults": " ".join(sentence(fault, 160) for fault in stand_up.faults) or None,
        "unreached": " ".join(sentence(line, 200) for line in scorecard.unreached[:3]) or None,
        "sitting": next_sitting(scorecard.sitting),
    }


def has_nothing(scorecard: Scorecard) -> bool:
    """Nothing overdue or carried, no blocker, win, warning or unsettled role, no mail lost, no
    feed behind."""
    stand_up = _stand_up(scorecard)
    return not (
        stand_up.overdue
        or stand_up.carried_over
        or stand_up.blockers
        or stand_up.wins
        or stand_up.warnings
        or stand_up.faults
        or scorecard.unreached
        or scorecard.stale_note
    )


def subject_line(scorecard: Scorecard) -> str:
    """'Meridian Foods: adoption stand-up, Week 45, 2026 - <what there is>', on one line."""
    return subject_of(scorecard, KINDS["weekly"], _message(scorecard))


def preheader(scorecard: Scorecard) -> str:
    """The line a mail client shows after the subject: the first thing to talk about."""
    stand_up = _stand_up(scorecard)
    first = [
        *(entry.title for entry in stand_up.overdue),
        *(blocker.what for blocker in stand_up.blockers),
        *(warning.finding for warning in stand_up.warnings),
        *(win.what for win in stand_up.wins),
        _SKIP if has_nothing(scorecard) else scorecard.sentence,
    ]
    return clean(first[0], 140)


def _stand_up(scorecard: Scorecard) -> StandUp:
    return scorecard.stand_up or StandUp(
        overdue=(),
        carried_over=0,
        blockers=(),
        more_blockers=0,
        wins=(),
        warnings=(),
        more_warnings=0,
    )


def _message(scorecard: Scorecard) -> str:
    if has_nothing(scorecard):
        return "nothing to say: we propose to skip the stand-up"
    stand_up = _stand_up(scorecard)
    there: Sequence[tuple[int, str]] = (
        (len(stand_up.overdue), _overdue_words(len(stand_up.overdue))),
        (n := len(stand_up.blockers) + stand_up.more_blockers, counted(n, "blocker")),
        (n := len(stand_up.warnings) + stand_up.more_warnings, counted(n, "early warning")),
        (n := len(stand_up.wins), counted(n, "quick win")),
    )
    words = [text for count, text in there if count]
    return listed(words) if words else "no blocker and nothing overdue"


def _overdue_words(count: int) -> str:
    return counted(count, "action overdue", "actions overdue")


def _carried(count: int) -> str | None:
    return f"{spelled(count)} carried over in all" if count else None


def _first_of(shown: int, more: int) -> str | None:
    return f"the first {spelled(shown)}" if more else None


def _overdue(entry: LogEntry) -> dict[str, str]:
    return {"title": clean(entry.title, 110), "beneath": log_line(entry)}


def _overdue_line(entry: LogEntry) -> str:
    status = clean(entry.status_text, 60).removeprefix("overdue by ")
    return f"{clean(entry.title, 60)}: {clean(entry.owner, 40)}, {unbroken(status)}"


def _carried_line(entry: LogEntry) -> str:
    return (
        f"{clean(entry.title, 90)}: {clean(entry.owner, 60)}, "
        f"asked {counted(entry.waiting_days, 'day')} ago"
    )


def _blocker(blocker: Blocker) -> dict[str, str]:
    who, right = sentence_case(clean(blocker.who, 60)), clean(blocker.right, 80)
    return {
        "what": in_unit(blocker.what, blocker.unit, 120),
        "beneath": f"{who} can: {right[:1].lower()}{right[1:]}"
        if right
        else f"{who} can remove it",
    }


def _win(win: Win) -> str:
    return in_unit(win.what, win.unit, 120)


def _warning(warning: EarlyWarning) -> dict[str, str]:
    due = unbroken(f"{warning.due_on.day} {warning.due_on:%B}")
    owner = sentence_case(clean(warning.owner, 60))
    return {
        "finding": in_unit(warning.finding, warning.unit, 140),
        "beneath": f"{_act(warning.countermeasure)} {owner}, by {due}",
    }


def _act(countermeasure: str) -> str:
    """The clauses of a countermeasure that two lines of a phone have room for."""
    first, *others = clean(countermeasure, 300).split("; ")
    kept = first
    for clause in others:
        if len(kept) + len(clause) > _CLAUSES:
            break
        kept = f"{kept}; {clause}"
    return sentence(kept, _CLAUSES + 30)
