"""Nothing on any printed page runs over its column into a margin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestration.review.letters import render_sheets
from orchestration.review.month import render_month
from orchestration.review.quarter import render_quarter
from tests.review import rituals, scorecards
from tests.review.margins import collect_pages, ink_in_margins


@pytest.mark.parametrize("name", ["typical", "stale", "empty", "hostile", "long_names"])
def test_no_page_runs_into_its_margins(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = collect_pages(monkeypatch)
    card = scorecards.ALL[name]()
    render_month(card, tmp_path / "month")
    render_quarter(rituals.quarter(card), tmp_path / "quarter")
    sheet = rituals.leader_page(period_id="2026-Q3", period_label="Q3 2026")
    render_sheets([sheet], tmp_path / "sheets")
    templates = {template for template, _, _ in pages}
    assert templates >= {"review/pack.typ", "review/quarter.typ", "review/sheet.typ"}
    for template, number, page in pages:
        assert page.shape == (842, 595) or page.shape == (842, 596)
        assert ink_in_margins(page) == (0, 0), (template, number)


def test_the_check_sees_what_runs_over() -> None:
    page = np.full((842, 595), 255)
    page[100:110, 60:540] = 0
    assert ink_in_margins(page) == (0, 0)
    page[100, 540:560] = 0
    page[200:203, 40] = 0
    assert ink_in_margins(page) == (3, 11), "the right margin starts at pixel 549"
