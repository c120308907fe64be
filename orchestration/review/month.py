"""The files of one monthly review, from one scorecard, into one folder."""

from __future__ import annotations

from pathlib import Path

from orchestration.review.draft_files import CALENDAR, EMAIL, write_files
from orchestration.review.email import (
    email_html,
    email_text,
    manifest,
    sparkline_pictures,
    subject_line,
)
from orchestration.review.pages import review_pack_pdf, scorecard_html, scorecard_pdf
from orchestration.review.view import build_view
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import to_json
from orchestration.scorecard.model import Scorecard


def render_month(scorecard: Scorecard, folder: Path, calendar: bytes | None = None) -> list[Path]:
    """Render every file of the review into ``folder``.

    Built aside, then moved in file by file. ``email.json``, which names the others, is removed
    first and comes last: a folder that has one is whole.

    Args:
        scorecard: the figures, final.
        folder: the draft's folder; other files in it are left alone.
        calendar: the invitation to the sitting, if one is planned.

    Returns:
        The files written, in the order they were moved in.
    """
    return write_files(folder, _build(scorecard, calendar))


def _build(scorecard: Scorecard, calendar: bytes | None) -> dict[str, bytes | str]:
    view = build_view(scorecard)
    page, scale, card = scorecard_pdf(scorecard)
    pack, _ = review_pack_pdf(scorecard, scale, card)
    pictures = sparkline_pictures(scorecard, view)
    figures = to_json(scorecard)
    return {
        SCORECARD: figures,
        "scorecard.html": scorecard_html(view),
        "scorecard.pdf": page,
        "review-pack.pdf": pack,
        **{name: picture for _, name, picture in pictures},
        "email.html": email_html(scorecard, view),
        "email.txt": email_text(view),
        **({CALENDAR: calendar} if calendar else {}),
        EMAIL: manifest(
            subject_line(scorecard),
            figures,
            pictures,
            [
                (
                    "review-pack.pdf",
                    f"learning-adoption-review-{scorecard.period_id}.pdf",
                    "application/pdf",
                )
            ],
            calendar=bool(calendar),
        ),
    }
