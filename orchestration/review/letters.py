"""Letters to named leaders: the monthly preview of their line, and the quarterly review sheet.

A letter holds one leader's own page and nothing else. Where nothing was recorded it says "no
record": that nothing was written down, not that nothing was done.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.review.draft_files import (
    EMAIL,
    PAGE,
    PREVIEW,
    SHEETS,
    Letter,
    Reaches,
    everybody,
    letter_folder,
    write_letters,
)
from orchestration.review.email import SUBJECT_LIMIT, compose, manifest, stale_mark
from orchestration.review.figures import figure, in_table
from orchestration.review.sections import day, log_entry, log_line, plan
from orchestration.review.typesetting import Typesetter
from orchestration.review.words import clean, counted, listed, long_date, sentence_case, unbroken
from orchestration.scorecard.draft import page_json
from orchestration.scorecard.leaders import NOT_ASKED
from orchestration.scorecard.model import LeaderAction, LeaderPage, SheetKpi

SHEET = "leader-review-sheet.pdf"
_SHEET_FITS = (
    (1.0, 14, 30),
    (0.95, 12, 24),
    (0.9, 10, 16),
    (0.85, 8, 11),
    (0.8, 6, 8),
    (0.75, 4, 5),
    (0.75, 3, 3),
)
"""Text scale of the sheet, how many recorded actions and how many entries of the log it lists."""
_NEXT = 3
_MOST_IN_MAIL = 24


def render_previews(
    pages: Sequence[LeaderPage], draft: Path, reaches: Reaches = everybody
) -> list[Path]:
    """Each leader's monthly preview into the draft's folder; see :func:`write_letters`.

    Args:
        reaches: a letter that reaches nobody is listed and not rendered.
    """
    return write_letters(draft, [_preview(page, reaches) for page in pages])


def render_sheets(
    pages: Sequence[LeaderPage], draft: Path, reaches: Reaches = everybody
) -> list[Path]:
    """Each leader's quarterly review sheet, to them and their own manager only.

    Args:
        reaches: as of :func:`render_previews`.

    Raises:
        Problem: a sheet takes more than one page however small it is set.
    """
    return write_letters(draft, [_sheet(page, reaches) for page in pages])


def _preview(page: LeaderPage, reaches: Reaches) -> Letter:
    letter = Letter(
        letter_folder(PREVIEW, page.period_id, page.person_id, page.org_unit_id),
        (page.person_id,),
        clean(page.role, 60),
        {},
    )
    if not reaches(letter.to):
        return letter
    view = page_view(page)
    subject = preview_subject(page)
    first = (
        f"A comment is asked of you on {listed(view['comments'])}"
        if view["comments"]
        else view["figures_line"]
    )
    html, text = compose("preview", view, subject, clean(first, 140))
    return replace(
        letter,
        files={
            PAGE: page_json(page),
            "email.html": html,
            "email.txt": text,
            EMAIL: manifest(subject, _content(page)),
        },
    )


def _sheet(page: LeaderPage, reaches: Reaches) -> Letter:
    to = (page.person_id, page.manager_person_id) if _has_manager(page) else (page.person_id,)
    letter = Letter(
        letter_folder(SHEETS, page.period_id, page.person_id, page.org_unit_id),
        tuple(person for person in to if person is not None),
        clean(page.role, 60),
        {},
    )
    if not reaches(letter.to):
        return letter
    view = page_view(page)
    subject = sheet_subject(page)
    html, text = compose("sheet", view, subject, clean(view["figures_line"], 140))
    return replace(
        letter,
        files={
            PAGE: page_json(page),
            SHEET: sheet_pdf(page),
            "email.html": html,
            "email.txt": text,
            EMAIL: manifest(
                subject,
                _content(page),
                attachments=[
                    (SHEET, f"leader-review-sheet-{page.period_id}.pdf", "application/pdf")
                ],
            ),
        },
    )


def preview_subject(page: LeaderPage) -> str:
    """'<organisation>: what we have of you for October 2026 - reply or add by ...'."""
    organisation = clean(page.organisation, 60)
    period = clean(page.period_label, 30) + stale_mark(page.stale_note)
    comments = counted(len(page.comments_asked), "comment")
    day_said = long_date(page.reply_by) if page.reply_by else ""
    if not _is_led(page):
        by = f" - reply by {day_said}" if day_said else ""
        return clean(f"{organisation}: {comments} asked of you for {period}{by}", SUBJECT_LIMIT)
    by = f" - reply or add by {day_said}" if day_said else ""
    asked = f"; {comments} asked for" if page.comments_asked else ""
    return clean(f"{organisation}: what we have of you for {period}{by}{asked}", SUBJECT_LIMIT)


def sheet_subject(page: LeaderPage) -> str:
    """'<organisation>: leader review sheet, Q3 2026 - <name>, <role>, <unit>'."""
    head = f"{clean(page.organisation, 60)}: leader review sheet, {clean(page.period_label, 30)}"
    head += stale_mark(page.stale_note)
    return clean(f"{head} - {', '.join(_who(page, 50))}", SUBJECT_LIMIT)


def sheet_pdf(page: LeaderPage) -> bytes:
    """The review sheet on exactly one A4 page.

    Raises:
        Problem: it takes more than one page however small it is set. The message names no person.
    """
    for scale, actions, entries in _SHEET_FITS:
        view = page_view(page, actions, entries)
        sheet = Typesetter("review/sheet.typ", view, page.data_as_of, scale=scale)
        if sheet.pages() == 1:
            return sheet.pdf()
    raise Problem(
        f"a leader review sheet of {page.period_id} does not fit on one page.",
        remedy="shorten the actions of the engagement plan and the titles of commitments.",
    )


def page_view(
    page: LeaderPage, most_actions: int = _MOST_IN_MAIL, most_entries: int = _MOST_IN_MAIL
) -> dict[str, Any]:
    """A leader's page as texts.

    Args:
        page: the leader's own page.
        most_actions: most recorded actions to list, the newest; the others are counted.
        most_entries: most commitments and decisions to list, the overdue first; the others are
            counted.
    """
    entries = sorted(page.log, key=lambda entry: entry.status != "overdue")
    start = Period.parse(page.period_id).start
    listed_actions = page.actions[-most_actions:]
    name, period = _who(page)[0], clean(page.period_label, 40)
    progress = plan(page.plan) if page.plan else None
    figures = _figures(page)
    return {
        "kind": "Leader review sheet",
        "title": f"Leader review sheet, {period}: {name}",
        "organisation": clean(page.organisation, 60),
        "running": clean(page.organisation, 40),
        "name": name,
        "role": _role(page),
        "who": f"{'. '.join(_who(page))}.",
        "unit": clean(page.unit, 60),
        "period": period,
        "data_as_of": long_date(page.data_as_of),
        "date": [page.data_as_of.year, page.data_as_of.month, page.data_as_of.day],
        "stale": clean(page.stale_note, 160) if page.stale_note else None,
        "reply_by": day(page.reply_by) if page.reply_by else None,
        "comments": [clean(each, 180) for each in page.comments_asked],
        "comments_title": sentence_case(
            f"{counted(len(page.comments_asked), 'comment')} asked of you"
        ),
        "is_led": _is_led(page),
        "heading": f"What we have of you for {period}"
        if _is_led(page)
        else f"Your word on {period}",
        "figures": figures,
        "figures_line": ", ".join(f"{f['name'].lower()}: {f['figure']['text']}" for f in figures),
        "attendance": figure(page.attendance),
        "actions": [_action(a) for a in listed_actions if a.happened_on >= start],
        "earlier": [_action(a) for a in listed_actions if a.happened_on < start],
        "all_actions": [_action(a) for a in listed_actions],
        "more_actions": len(page.actions) - len(listed_actions),
        "uncounted": any(not a.counts for a in listed_actions),
        "holds": _holds(page),
        "goes_to": f"{name} and their own manager" if _has_manager(page) else name,
        "kpis": [_kpi(k) for k in page.kpis],
        "hidden": any("suppressed" in (k.now.state, k.target.state) for k in page.kpis),
        "log": [{**log_entry(e), "line": log_line(e)} for e in entries[:most_entries]],
        "more_log": max(0, len(entries) - most_entries),
        "plan": progress,
        "plan_late": progress["late"] if progress else [],
        "plan_next": (
            [i for i in progress["items"] if i["status"] in ("due", "not_yet")][:_NEXT]
            if progress
            else []
        ),
    }


def _is_led(page: LeaderPage) -> bool:
    """Whether it is a named leader's page; else a KPI owner's, who is asked for a comment only."""
    return bool(_figures(page))


def _has_manager(page: LeaderPage) -> bool:
    return page.manager_person_id not in (None, page.person_id)


def _content(page: LeaderPage) -> bytes:
    return json.dumps(page.model_dump(mode="json"), sort_keys=True).encode()


def _who(page: LeaderPage, longest: int = 60) -> list[str]:
    """Name and role; the role alone where the page names nobody."""
    return [*([clean(page.name, longest)] if page.name else []), _role(page)]


def _role(page: LeaderPage) -> str:
    """'Sponsor, Operations'; 'Sponsor of Operations' stays as it is."""
    role, unit = sentence_case(clean(page.role, 80)), clean(page.unit, 60)
    return role if unit.casefold() in role.casefold() else f"{role}, {unit}"


def _holds(page: LeaderPage) -> str:
    """What the sheet has beside the record, in words."""
    parts = [
        f"what is recorded of {_who(page)[0]}",
        *(["the unit's figures against target"] if page.kpis else []),
        *(["open commitments and decisions"] if page.log else []),
        *(["the 90-day plan"] if page.plan else []),
    ]
    return listed(parts)


def _figures(page: LeaderPage) -> list[dict[str, Any]]:
    rows = (
        ("Weeks with a visible sponsor action", page.visible_weeks, page.visible_target),
        ("Flagship course", page.flagship, None),
        ("Commitments closed on time", page.commitments, page.commitments_target),
        ("A decision waits, median", page.decision_wait, None),
    )
    return [
        {
            "name": name,
            "figure": _in_column(figure(value)),
            "target": figure(target)["text"]
            if target is not None and target.state == "value"
            else None,
        }
        for name, value, target in rows
        if value.text != NOT_ASKED
    ]


def _in_column(shown: dict[str, Any]) -> dict[str, Any]:
    """A figure in words may break: 'no record of completion' is wider than its column."""
    if any(character.isdigit() for character in shown["text"]):
        return shown
    words = shown["text"].replace("\u00a0", " ")
    return {**shown, "text": words, "number": words}


def _action(action: LeaderAction) -> dict[str, Any]:
    return {
        "on": day(action.happened_on),
        "what": sentence_case(clean(action.what, 80)),
        "audience": clean(action.audience, 60),
        "counts": action.counts,
    }


def _kpi(kpi: SheetKpi) -> dict[str, Any]:
    return {
        "name": clean(kpi.name, 80),
        "period": unbroken(clean(kpi.period_label, 40)),
        "now": in_table(kpi.now),
        "target": in_table(kpi.target),
        "mark": {"text": clean(kpi.mark.text, 110), "tone": kpi.mark.tone},
    }
