"""The mails and pages in the browser that people read them in: Chromium, with axe.

Without Chromium these tests are skipped, and say so in the terminal.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from orchestration.review.letters import render_previews, render_sheets
from orchestration.review.month import render_month
from orchestration.review.quarter import render_quarter
from orchestration.review.typesetting import FONTS
from orchestration.review.week import render_week
from tests.review import scorecards
from tests.review.test_letters import PAGES as LEADERS
from tests.review.test_letters import quarter
from tests.review.test_quarter import QUARTERS
from tests.review.test_week import WEEKS

Open = Callable[..., Page]
NAMES = (
    *(f"month/{name}" for name in scorecards.ALL),
    *(f"week/{name}" for name in WEEKS),
    *(f"quarter/{name}" for name in QUARTERS),
    *(f"{mailing}/{number}" for mailing in ("previews", "sheets") for number in range(3)),
)
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
    for name, build in scorecards.ALL.items():
        render_month(build(), root / "month" / name)
    for name, card in WEEKS.items():
        render_week(card, root / "week" / name)
    for name, card in QUARTERS.items():
        render_quarter(card, root / "quarter" / name)
    pages = {
        f"{folder.parent.name}/{folder.name}": _pages(folder)
        for ritual in ("month", "week", "quarter")
        for folder in (root / ritual).iterdir()
    }
    render_previews(LEADERS, root / "previews")
    render_sheets([quarter(page) for page in LEADERS], root / "sheets")
    for mailing in ("previews", "sheets"):
        letters = json.loads((root / mailing / "letters.json").read_text("utf-8"))
        for number, letter in enumerate(letters):
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


@pytest.fixture
def show(browser: Browser) -> Iterator[Open]:
    """Opens a page from disk; fails on a request that leaves its folder."""
    contexts = []
    asked: list[tuple[str, str]] = []

    def _open(file: Path, width: int, scheme: Literal["light", "dark"] = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda made: asked.append((file.parent.as_uri(), made.url)))
        page.goto(file.as_uri())
        page.add_style_tag(content=_INTER)
        page.evaluate("document.fonts.ready")
        return page

    yield _open
    for context in contexts:
        context.close()
    outside = [url for home, url in asked if not url.startswith((f"{home}/", "data:font/"))]
    assert outside == []


def test_every_name_is_rendered(built: dict[str, list[Path]]) -> None:
    assert set(built) == set(NAMES)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_nothing(
    built: dict[str, list[Path]], show: Open, name: str, scheme: str
) -> None:
    for file in built[name]:
        found = Axe().run(
            show(file, 390, scheme), options={"rules": {"region": {"enabled": False}}}
        )
        told = [
            f"{fault['id']}: {node['html'][:160]}"
            for fault in found.response["violations"]
            for node in fault["nodes"]
        ]
        assert told == [], file.name


@pytest.mark.parametrize("name", NAMES)
def test_nothing_scrolls_sideways_on_a_small_phone(
    built: dict[str, list[Path]], show: Open, name: str
) -> None:
    for file in built[name]:
        page = show(file, 320)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, file.name


def test_a_full_digest_is_one_screen_of_a_usual_phone(
    built: dict[str, list[Path]], show: Open
) -> None:
    (file,) = built["week/rich"]
    assert show(file, 390).evaluate("document.body.scrollHeight") <= 844


@pytest.mark.parametrize("name", ["month/typical", "week/rich", "quarter/rich", "previews/0"])
def test_mails_are_dark_where_the_reader_wants_it(
    built: dict[str, list[Path]], show: Open, name: str
) -> None:
    for file in built[name]:
        paper = [
            show(file, 390, scheme).evaluate(
                "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3)"
                ".reduce((all, one) => all + Number(one), 0)"
            )
            for scheme in ("light", "dark")
        ]
        assert paper[0] == 765 and paper[1] < 120, file.name
