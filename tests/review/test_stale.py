"""Whatever shows a figure of data that are behind says so: every file of an edition and a kit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from icalendar import Calendar
from pypdf import PdfReader

from orchestration.archive.pages import build_pages
from orchestration.archive.shelf import DecisionLog, reviews_of
from orchestration.periods import Period
from orchestration.review.invitation import invitation
from orchestration.review.kit import KitPage, build_kits, compose, render_kits
from orchestration.review.letters import render_previews, render_sheets
from orchestration.review.month import render_month
from orchestration.review.quarter import render_quarter
from orchestration.review.week import render_week
from orchestration.scorecard.draft import draft_folder
from orchestration.scorecard.model import Figure, Scorecard
from orchestration.state import State
from tests.archive.conftest import make_settings, seal_draft
from tests.review import rituals, scorecards
from tests.review.reading import read_html, squeezed
from tests.review.test_kit import basis, month_of
from tests.review.test_kit import page as kit_page

STALE = scorecards.stale()
BEHIND = {"stale_note": STALE.stale_note, "data_as_of": STALE.data_as_of}
FIGURE = re.compile(r"\d+(?:[.,]\d+)?(?:%|days|points|per100)")
NOTE = re.compile(r"notall(?:datais)?uptodate|activityasof12Oct", re.IGNORECASE)
SENDER = "Adoption Review <adoption-review@example.org>"
PICTURES = {".png"}
"""Inline in a mail that carries the note above them."""


def pieces(file: Path) -> list[str]:
    """What a reader has before them at once: each page of a PDF, else the file."""
    match file.suffix:
        case ".pdf":
            return [squeezed(page.extract_text()) for page in PdfReader(file).pages]
        case ".html":
            return [squeezed(" ".join(read_html(file).text))]
        case ".ics":
            (event,) = Calendar.from_ical(file.read_bytes()).events
            return [squeezed(f"{event['summary']} {event['description']}")]
        case ".json" if file.name == "email.json":
            return [squeezed(json.loads(file.read_bytes())["subject"])]
        case ".json" | ".txt":
            return [squeezed(file.read_text(encoding="utf-8"))]
    raise AssertionError(f"{file}: nobody has thought of whether it shows figures")


def stale_kit(behind: dict[str, object]) -> KitPage:
    """A sponsor's kit that tells a figure of a month that is behind."""
    told = kit_page(**behind)
    of_month = month_of((told,)).model_copy(update=behind)
    (kit,), _ = build_kits(basis(pages=(told,), month=of_month))
    return kit.page


def render(root: Path, month: Scorecard, behind: dict[str, object]) -> None:
    """An edition of each ritual, what leaders get, a kit, and the archive of it all."""
    settings = make_settings(root)
    cards = {
        "2026-W44": rituals.week(month),
        "2026-10": month.model_copy(update={"sitting": rituals.SITTING}),
        "2026-Q3": rituals.quarter(month),
    }
    renders = {"2026-W44": render_week, "2026-10": render_month, "2026-Q3": render_quarter}
    with State.open(settings) as state:
        for period_id, card in cards.items():
            period = Period.parse(period_id)
            folder = draft_folder(settings, period)
            assert card.sitting is not None
            renders[period_id](card, folder, invitation(card, SENDER))
            seal_draft(state, settings, period)
        period = Period.parse("2026-10")
        better = Figure(state="value", value=month.kpis[2].now.value, text="87.0 %")
        kpis = (*month.kpis[:2], month.kpis[2].model_copy(update={"now": better}), *month.kpis[3:])
        restated = cards["2026-10"].model_copy(update={"kpis": kpis})
        render_month(restated, draft_folder(settings, period), invitation(restated, SENDER))
        seal_draft(state, settings, period, manifest_hash="d" * 64)
    leader = rituals.leader_page(**behind)
    of_quarter = {"period_id": "2026-Q3", "period_label": "Q3 2026"}
    render_previews((leader,), root / "drafts" / "previews")
    render_sheets((leader.model_copy(update=of_quarter),), root / "drafts" / "sheets")
    render_kits([stale_kit(behind)], root / "drafts" / "kit")
    for name, content in build_pages(reviews_of(settings), DecisionLog(), settings).items():
        if isinstance(content, bytes):  # else a copy of a sealed file
            page = root / "site" / name
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_bytes(content)


def shown(root: Path) -> dict[str, str]:
    """Each piece of every file that readers get, by the file's name and the page."""
    return {
        f"{file.relative_to(root)}, {number}": piece
        for place in ("drafts", "editions", "site")
        for file in sorted((root / place).rglob("*"))
        if file.is_file() and file.suffix not in PICTURES
        for number, piece in enumerate(pieces(file), 1)
    }


@pytest.fixture(scope="module")
def stale(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("stale")
    render(root, STALE, BEHIND)
    return shown(root)


def test_no_figure_of_stale_data_is_shown_without_the_note(stale: dict[str, str]) -> None:
    with_figures = [name for name, piece in stale.items() if FIGURE.search(piece)]
    print(f"\n{len(with_figures)} of {len(stale)} pages and files show a figure")
    for kind in ("town-hall.txt", "town-hall.html", "announcement.txt", "announcement.html"):
        assert [name for name in with_figures if kind in name], kind
    unsaid = [name for name in with_figures if not NOTE.search(stale[name])]
    assert not unsaid, "\n".join(unsaid)


def test_a_text_without_room_loses_the_figure_with_its_note() -> None:
    fields, there = stale_kit(BEHIND).fields, set()
    for name, most in {"town_hall": 130, "announcement": 60, "cascade": 10}.items():
        for more in range(most):
            core = fields["core_sentence"] + " more" * more
            plain = compose(name, fields | {"core_sentence": core}).plain
            figure = "61.2 % in October 2026"
            with_note = f"{figure} (data as of 12 October 2026, not all up to date)."
            assert (figure in plain) == (with_note in plain), plain
            there.add((name, figure in plain))
    shows = {(name, told) for name in ("town_hall", "announcement") for told in (True, False)}
    assert there == {*shows, ("cascade", False)}
