"""The scorecard page and the review pack: HTML by Jinja, PDF by Typst."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from orchestration.problems import Problem
from orchestration.review.typesetting import TEMPLATES, Typesetter
from orchestration.review.view import build_view
from orchestration.review.words import sentence_case, wrapped
from orchestration.scorecard.model import Scorecard

if TYPE_CHECKING:
    from jinja2 import Environment, Template

PACK_PAGES = (4, 6)
_CARD_FITS = (
    (1.12, 1.0),
    (1.06, 1.0),
    (1.0, 1.0),
    (0.94, 1.0),
    (0.9, 0.7),
    (0.84, 0.5),
    (0.78, 0.35),
)
_PACK_FITS: tuple[tuple[float, str, int], ...] = (
    (1.0, "yes", 40),
    (1.0, "no", 40),
    (0.95, "no", 30),
    (0.9, "no", 24),
)
_PACK_OVERFLOWS = (0.95, "no", 40)


@lru_cache(maxsize=1)
def tokens() -> dict[str, Any]:
    """Colours and signs: the one home that Typst reads too."""
    loaded: dict[str, Any] = json.loads(
        (TEMPLATES / "shared" / "tokens.json").read_text(encoding="utf-8")
    )
    return loaded


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(disabled_extensions=("txt.j2",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["tokens"] = tokens()
    environment.filters["wrap"] = wrapped
    environment.filters["capitalize_first"] = sentence_case
    return environment


def template(name: str) -> Template:
    """A Jinja template: escaping on for HTML, an unknown name is an error."""
    return _environment().get_template(name)


def scorecard_html(view: dict[str, Any]) -> str:
    """The scorecard as one self-contained page."""
    return template("scorecard/scorecard.html.j2").render(view=view)


def scorecard_pdf(scorecard: Scorecard) -> tuple[bytes, float, dict[str, Any]]:
    """The scorecard on exactly one A4 page.

    Returns:
        The PDF, and the text scale and the view that made it fit, for the pack's first page.

    Raises:
        Problem: it takes more than one page however small it is set.
    """
    for scale, cap in _CARD_FITS:
        card = build_view(scorecard, cap)
        page = Typesetter(
            "scorecard/scorecard.typ", {**card, "card": card}, scorecard.data_as_of, scale=scale
        )
        if page.pages() == 1:
            return page.pdf(), scale, card
    raise Problem(
        f"the scorecard of {scorecard.period_id} does not fit on one page.",
        remedy="shorten the names of measures and the texts of decisions in the charter.",
    )


def review_pack_pdf(
    scorecard: Scorecard, card_scale: float, card: dict[str, Any]
) -> tuple[bytes, int]:
    """The monthly review pack and its number of pages; see :func:`fitted_pack`."""
    return fitted_pack(
        "review/pack.typ", lambda units: build_view(scorecard, 1.0, units), card_scale, card
    )


def fitted_pack(
    typst: str,
    view_of: Callable[[int], dict[str, Any]],
    card_scale: float,
    card: dict[str, Any],
    most_pages: int = PACK_PAGES[1],
    spread: bool = True,
) -> tuple[bytes, int]:
    """A pack and its number of pages: roomy where the pages allow it, else tighter.

    What is too large even so gets more pages rather than less content.

    Args:
        typst: the template.
        view_of: the view, given the most lines its tables of units may have.
        card_scale: text scale of the scorecard page, which comes first.
        card: the scorecard page's view.
        most_pages: pages to keep to where that is possible.
        spread: whether sections may start on pages of their own where there is room.
    """
    for scale, roomy, units in (*_PACK_FITS[not spread :], _PACK_OVERFLOWS):
        view = view_of(units)
        pack = Typesetter(
            typst,
            {**view, "card": card},
            date(*view["date"]),
            scale=scale,
            card_scale=card_scale,
            roomy=roomy,
        )
        pages = pack.pages()
        if pages <= most_pages:
            break
    return pack.pdf(), pages
