"""The mails and pages in the browser that people read them in: Chromium, with axe.

Without Chromium these tests are skipped, and say so in the terminal.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from orchestration.review import letters, month
from orchestration.review import quarter as quarter_files
from orchestration.review.typesetting import FONTS
from orchestration.review.week import render_week
from tests.review import scorecards
from tests.review.test_letters import PAGES as LEADERS
from tests.review.test_letters import quarter
from tests.review.test_quarter import QUARTERS
from tests.review.test_week import WEEKS

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NAMES = (
    *(f"month/{name}" for name in scorecards.ALL),
    *(f"week/{name}" for name in WEEKS),
    *(f"quarter/{name}" for name in QUARTERS),
    *(f"{mailing}/{number}" for mailing in ("previews", "sheets") for number in range(3)),
)
OPENED = tuple(
    name
    for name in NAMES
    if "ADOPTION_PAGES" in os.environ
    or name.endswith(("/typical", "/rich", "/hostile", "/long_names", "/long", "/0"))
)
"""The fullest and the most awkward pages of each kind; `make soak` opens all."""
_INTER = "".join(
    f"@font-face {{ font-family: Inter; font-weight: {weight}; src: url(data:font/otf;base64,"
    f"{base64.b64encode((FONTS / f'Inter-{style}.otf').read_bytes()).decode()}) }}"
    for style, weight in (("Regular", 400), ("SemiBold", 600))
)
"""The first font that our pages ask for; phones have one of its width."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Every mail, and the scorecard page where a review has one, by name."""
    root = tmp_path_factory.mktemp("opened")
    with pytest.MonkeyPatch.context() as patched:
        # PDFs take most of a rendering's time, and no browser opens them here
        for module in (month, quarter_files):
            patched.setattr(module, "scorecard_pdf", lambda card: (b"", 1.0, {}))
        patched.setattr(month, "review_pack_pdf", lambda *_: (b"", 1))
        patched.setattr(quarter_files, "fitted_pack", lambda *_, **__: (b"", 1))
        patched.setattr(letters, "sheet_pdf", lambda page: b"")
        for name, build in scorecards.ALL.items():
            month.render_month(build(), root / "month" / name)
        for name, card in WEEKS.items():
            render_week(card, root / "week" / name)
        for name, card in QUARTERS.items():
            quarter_files.render_quarter(card, root / "quarter" / name)
        letters.render_previews(LEADERS, root / "previews")
        letters.render_sheets([quarter(page) for page in LEADERS], root / "sheets")
    pages = {
        f"{folder.parent.name}/{folder.name}": _pages(folder)
        for ritual in ("month", "week", "quarter")
        for folder in (root / ritual).iterdir()
    }
    for mailing in ("previews", "sheets"):
        listed = json.loads((root / mailing / "letters.json").read_text("utf-8"))
        for number, letter in enumerate(listed):
            pages[f"{mailing}/{number}"] = _pages(root / mailing / letter["folder"])
    return pages


def _pages(folder: Path) -> list[Path]:
    """The pages of a folder; pictures by content id become the files beside them."""
    described = json.loads((folder / "email.json").read_text("utf-8"))
    mail = (folder / "email.html").read_text("utf-8")
    for each in described["inline"]:
        mail = mail.replace(f"cid:{each['cid']}", each["file"])
    (folder / "opened.html").write_text(mail, "utf-8")
    return [folder / name for name in ("opened.html", "scorecard.html") if (folder / name).exists()]


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The machine's own Chromium; nothing is downloaded."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        reason = "MAILS WERE NOT TESTED IN A BROWSER: no Chromium (apt-get install chromium)"
        request.config.get_terminal_writer().line(f"\n{reason}")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=OPENED)
def opened(
    request: pytest.FixtureRequest, browser: Browser, built: dict[str, list[Path]]
) -> Iterator[list[Page]]:
    """The pages of one name, each loaded once from disk; none may ask for what is elsewhere."""
    files = built[request.param]
    (home,) = {file.parent.as_uri() for file in files}
    pages, asked = [], []
    for file in files:
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        page.on("request", lambda made: asked.append(made.url))
        page.goto(file.as_uri())
        page.add_style_tag(content=_INTER)
        page.evaluate("document.fonts.ready")
        pages.append(page)
    yield pages
    for page in pages:
        page.context.close()
    assert [url for url in asked if not url.startswith((f"{home}/", "data:font/"))] == []


def test_every_name_is_rendered(built: dict[str, list[Path]]) -> None:
    assert set(built) == set(NAMES)


def test_axe_finds_nothing_in_light_and_in_dark(opened: list[Page]) -> None:
    for page in opened:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page, options={"rules": {"region": {"enabled": False}}})
            told = [
                f"{fault['id']}: {node['html'][:160]}"
                for fault in found.response["violations"]
                for node in fault["nodes"]
            ]
            assert told == [], (page.url, scheme)


def test_mails_are_dark_where_the_reader_wants_it(opened: list[Page]) -> None:
    for page in opened:
        paper = []
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            paper.append(
                page.evaluate(
                    "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3)"
                    ".reduce((all, one) => all + Number(one), 0)"
                )
            )
        assert paper[0] == 765 and paper[1] < 120, page.url


def test_nothing_scrolls_sideways_on_a_small_phone(opened: list[Page]) -> None:
    for page in opened:
        page.set_viewport_size({"width": 320, "height": 844})
        width = page.evaluate("document.documentElement.scrollWidth")
        page.set_viewport_size({"width": 390, "height": 844})
        assert width <= 320, page.url


@pytest.mark.parametrize("opened", ["week/rich"], indirect=True)
def test_a_full_digest_is_one_screen_of_a_usual_phone(opened: list[Page]) -> None:
    (page,) = opened
    assert page.evaluate("document.body.scrollHeight") <= 844
