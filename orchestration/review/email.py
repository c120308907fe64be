"""The email of the monthly review: subject, HTML with the scorecard in it, plain text, pictures."""

from __future__ import annotations

import re
from typing import Any

from orchestration.review.pages import template
from orchestration.review.typesetting import Typesetter
from orchestration.review.view import has_signal, headline, skips
from orchestration.review.words import clean, counted
from orchestration.scorecard.model import Scorecard

SUBJECT_LIMIT = 160
_PICTURE_DPI = 192  # 168 pt wide, shown 224 px wide: two pixels for each


def subject_line(scorecard: Scorecard) -> str:
    """'Meridian Foods: learning adoption review, October 2026 - <message>', on one line.

    A stale note stands before the finding, so that a cut never loses it.
    """
    head = (
        f"{clean(scorecard.organisation, 60)}: learning adoption review, "
        f"{clean(scorecard.period_label, 30)}"
    )
    if scorecard.stale_note:
        head += f" ({clean(scorecard.stale_note, 60)})"
    room = max(24, SUBJECT_LIMIT - len(head) - 3)
    return clean(f"{head} - {clean(_message(scorecard), room)}", SUBJECT_LIMIT)


def _message(scorecard: Scorecard) -> str:
    """What the subject says: the first signal, else what is asked, else that nothing is."""
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
    if scorecard.decisions:
        return f"no clear change{asked}"
    if any(k.mark.variation == "ordinary" for k in scorecard.kpis):
        return "no clear change"
    return "no measure can be judged yet"


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
    text = template("email/month.html.j2").render(
        view=view,
        subject=subject_line(scorecard),
        preheader=preheader(scorecard),
        cids={kpi.kpi_id: content_id(scorecard, kpi.kpi_id) for kpi in scorecard.kpis},
    )
    return re.sub(r"\n\s*", "\n", text)


def email_text(view: dict[str, Any]) -> str:
    """The plain-text body, 76 columns."""
    text = template("email/month.txt.j2").render(view=view)
    return re.sub(r"\n{4,}", "\n\n\n", text).replace("\u00a0", " ").strip() + "\n"
