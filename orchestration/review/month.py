"""The files of one monthly review, from one scorecard, into one folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from orchestration.review.email import (
    email_html,
    email_text,
    sparkline_pictures,
    subject_line,
)
from orchestration.review.pages import review_pack_pdf, scorecard_html, scorecard_pdf
from orchestration.review.view import build_view
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import to_json
from orchestration.scorecard.model import Scorecard

EMAIL = "email.json"


def render_month(scorecard: Scorecard, folder: Path) -> list[Path]:
    """Render every file of the review into ``folder``.

    Built aside, then moved in file by file. ``email.json``, which names the others, is removed
    first and comes last: a folder that has one is whole.

    Args:
        scorecard: the figures, final.
        folder: the draft's folder; other files in it are left alone.

    Returns:
        The files written, in the order they were moved in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        names = _build(scorecard, aside)
        (folder / EMAIL).unlink(missing_ok=True)
        for name in names:
            os.replace(aside / name, folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [folder / name for name in names]


def _build(scorecard: Scorecard, aside: Path) -> list[str]:
    names: list[str] = []

    def write(name: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        with open(aside / name, "wb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        names.append(name)

    view = build_view(scorecard)
    page, scale, card = scorecard_pdf(scorecard)
    pack, _ = review_pack_pdf(scorecard, scale, card)
    pictures = sparkline_pictures(scorecard, view)

    figures = to_json(scorecard)
    write(SCORECARD, figures)
    write("scorecard.html", scorecard_html(view))
    write("scorecard.pdf", page)
    write("review-pack.pdf", pack)
    for _, name, picture in pictures:
        write(name, picture)
    write("email.html", email_html(scorecard, view))
    write("email.txt", email_text(view))
    write(
        EMAIL,
        json.dumps(_manifest(scorecard, figures, pictures), indent=1, ensure_ascii=False) + "\n",
    )
    return names


def _manifest(
    scorecard: Scorecard, figures: bytes, pictures: list[tuple[str, str, bytes]]
) -> dict[str, object]:
    """What the email is made of; ``scorecard_sha256`` says which figures it was rendered from."""
    return {
        "subject": subject_line(scorecard),
        "scorecard_sha256": hashlib.sha256(figures).hexdigest(),
        "html": "email.html",
        "text": "email.txt",
        "inline": [
            {"cid": cid, "file": name, "media_type": "image/png"} for cid, name, _ in pictures
        ],
        "attachments": [
            {
                "file": "review-pack.pdf",
                "name": f"learning-adoption-review-{scorecard.period_id}.pdf",
                "media_type": "application/pdf",
            }
        ],
    }
