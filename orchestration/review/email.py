"""The email of the monthly review: subject, HTML with the scorecard in it, plain text, pictures."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from orchestration.review.draft_files import CALENDAR
from orchestration.review.pages import template
from orchestration.review.typesetting import Typesetter
from orchestration.review.view import KINDS, has_signal, headline, skips
from orchestration.review.words import clean, counted
from orchestration.scorecard.model import Scorecard

SUBJECT_LIMIT = 160
_PICTURE_DPI = 192  # 168 pt wide, shown 224 px wide: two pixels for each


def subject_line(scorecard: Scorecard) -> str:
    """'Meridian Foods: learning adoption review, October 2026 - <message>', on one line."""
    return subject_of(scorecard, KINDS[scorecard.ritual], _message(scorecard))


def subject_of(scorecard: Scorecard, kind: str, message: str) -> str:
    """'<organisation>: <kind>, <period> - <message>', on one line.

    A stale note stands before the message, so that a cut never loses it.
    """
    head = f"{clean(scorecard.organisation, 60)}: {kind}, {clean(scorecard.period_label, 30)}"
    head += stale_mark(scorecard.stale_note)
    room = max(24, SUBJECT_LIMIT - len(head) - 3)
    return clean(f"{head} - {clean(message, room)}", SUBJECT_LIMIT)


def stale_mark(stale_note: str | None) -> str:
    """' (activity as of 12 October)' for a subject; empty when all data is up to date."""
    return f" ({clean(stale_note, 60)})" if stale_note else ""


def _message(scorecard: Scorecard) -> str:
    """What the subject says: the first signal, else of a quarter the effect, and what is asked."""
    if skips(scorecard):
        return "no clear change, nothing to decide: we propose to skip the sitting"
    count = len(scorecard.decisions)
    asked = f"; {counted(count, 'decision')} asked for" if count else ""
    signals = [k for k in (*scorecard.kpis, *scorecard.below) if has_signal(k)]
    if signals:
        named = [k for k in signals if k.caution is None] or signals
        lead = min(named, key=lambda k: k.mark.variation != "concerning")
        # the finding without its figures, which a subject has no room for
        changed = headline(lead.finding).split(": ")[0]
        return f"{changed}{asked}"
    if any(k.mark.variation == "ordinary" for k in scorecard.kpis):
        return f"no clear change{asked}"
    if scorecard.strategy is not None and scorecard.strategy.effect:
        return f"{headline(scorecard.sentence.split('; ')[0])}{asked}"
    return f"no measure can be judged yet{asked}"


def preheader(scorecard: Scorecard) -> str:
    """The line a mail client shows after the subject."""
    return clean(scorecard.sentence, 140)


def content_id(scorecard: Scorecard, kpi_id: str) -> str:
    """The content id of one KPI's picture."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", kpi_id)[:40]
    return f"{name}.{scorecard.period_id}@adoption-review"


def sparkline_pictures(scorecard: Scorecard, view: dict[str, Any]) -> list[tuple[str, str, bytes]]:
    """(content id, file name, PNG) of every KPI, in the page's order, at twice the pixels shown."""
    sparks = [kpi["spark"] for kpi in view["kpis"]]
    pictures = Typesetter(
        "email/sparklines.typ", {"sparks": sparks, **_page_basics(view)}, scorecard.data_as_of
    ).pngs(_PICTURE_DPI)
    return [
        (content_id(scorecard, kpi.kpi_id), f"sparkline-{number}.png", picture)
        for number, (kpi, picture) in enumerate(zip(scorecard.kpis, pictures, strict=True), start=1)
    ]


def _page_basics(view: dict[str, Any]) -> dict[str, Any]:
    return {name: view[name] for name in ("title", "stale", "date")}


def email_html(scorecard: Scorecard, view: dict[str, Any]) -> str:
    """The HTML body; its pictures are named by content id."""
    return compose_html(
        "month",
        view,
        subject_line(scorecard),
        preheader(scorecard),
        cids={kpi.kpi_id: content_id(scorecard, kpi.kpi_id) for kpi in scorecard.kpis},
    )


def email_text(view: dict[str, Any]) -> str:
    """The plain-text body, 76 columns."""
    return compose_text("month", view)


def compose(
    name: str, view: dict[str, Any], subject: str, preheader: str, **more: Any
) -> tuple[str, str]:
    """HTML and plain text of one email, from ``templates/email/<name>``."""
    return compose_html(name, view, subject, preheader, **more), compose_text(name, view, **more)


def compose_html(name: str, view: dict[str, Any], subject: str, preheader: str, **more: Any) -> str:
    """The HTML of one email."""
    page = template(f"email/{name}.html.j2").render(
        view=view, subject=subject, preheader=preheader, **more
    )
    return re.sub(r"\n\s*", "\n", page)


def compose_text(name: str, view: dict[str, Any], **more: Any) -> str:
    """The plain text of one email, 76 columns."""
    text = template(f"email/{name}.txt.j2").render(view=view, **more)
    return re.sub(r"\n{4,}", "\n\n\n", text).replace("\u00a0", " ").strip() + "\n"


def manifest(
    subject: str,
    figures: bytes,
    inline: Sequence[tuple[str, str, bytes]] = (),
    attachments: Sequence[tuple[str, str, str]] = (),
    calendar: bool = False,
) -> str:
    """``email.json``: what the email is made of.

    Args:
        subject: one line.
        figures: what it was rendered from; its hash says which figures a draft shows.
        inline: (content id, file, content) of each picture.
        attachments: (file, name to the reader, media type) of each attachment.
        calendar: whether the invitation lies beside it.
    """
    described: dict[str, object] = {
        "subject": subject,
        "scorecard_sha256": hashlib.sha256(figures).hexdigest(),
        "html": "email.html",
        "text": "email.txt",
        "inline": [
            {"cid": cid, "file": name, "media_type": "image/png"} for cid, name, _ in inline
        ],
        "attachments": [
            {"file": file, "name": name, "media_type": media_type}
            for file, name, media_type in attachments
        ],
    }
    if calendar:
        described["calendar"] = CALENDAR
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"
