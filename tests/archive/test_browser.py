"""The archive in the browser that people open it in: Chromium, from disk, with axe and a keyboard.

Without Chromium these tests are skipped, and say so in the terminal.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from orchestration.archive.pages import build_pages
from orchestration.archive.shelf import reviews_of
from orchestration.archive.site import write_site
from orchestration.settings import Settings
from tests.archive.conftest import LOG, QUALITY

PAGES = (
    "index.html",
    "monthly.html",
    "monthly/2026-10/edition-2.html",
    "monthly/2026-08/not-sent.html",
    "weekly/2026-W44/edition-1.html",
    "quarterly/2026-Q3/edition-1.html",
    "decisions.html",
    "restatements.html",
    "quality.html",
    "quality/people.html",
)
PHONE, WIDE = ViewportSize(width=320, height=900), ViewportSize(width=1280, height=900)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def built(archived: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the archived home, with a decision log."""
    folder = tmp_path_factory.mktemp("opened")
    write_site(folder, build_pages(reviews_of(archived), LOG, archived, QUALITY))
    return folder


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The machine's own Chromium; nothing is downloaded."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        reason = "THE ARCHIVE WAS NOT TESTED IN A BROWSER: no Chromium (apt-get install chromium)"
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print(f"\n{reason}")
        pytest.skip(reason)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Browser, built: Path) -> Iterator[Open]:
    """Opens a page of the site from disk; fails on a request that leaves its folder."""
    contexts = []
    requests: list[str] = []

    def _open(name: str, scripts: bool = True) -> Page:
        context = browser.new_context(viewport=WIDE, java_script_enabled=scripts)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda asked: requests.append(asked.url))
        page.goto((built / name).as_uri())
        return page

    yield _open
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith(built.as_uri() + "/")] == []


@pytest.fixture(scope="module", params=PAGES)
def opened(request: pytest.FixtureRequest, browser: Browser, built: Path) -> Iterator[Page]:
    """One page of the site, loaded once from disk; it may ask for nothing outside the site."""
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto((built / request.param).as_uri())
    yield page
    context.close()
    assert [url for url in requests if not url.startswith(built.as_uri() + "/")] == []


def test_axe_finds_nothing_wide_or_narrow_in_light_or_dark(opened: Page) -> None:
    for size in (PHONE, WIDE):
        opened.set_viewport_size(size)
        for scheme in SCHEMES:
            opened.emulate_media(color_scheme=scheme)
            told = [
                f"{fault['id']}: {node['html'][:160]}"
                for fault in Axe().run(opened).response["violations"]
                for node in fault["nodes"]
            ]
            assert told == [], (size, scheme)


def test_axe_would_find_a_fault(show: Open) -> None:
    page = show("decisions.html")
    page.evaluate("document.documentElement.removeAttribute('lang')")
    page.evaluate("document.querySelector('.archive-meta, .archive-lead').style.color = '#888'")
    faults = {fault["id"] for fault in Axe().run(page).response["violations"]}
    assert faults == {"html-has-lang", "color-contrast"}


def test_nothing_scrolls_sideways_on_a_small_phone(opened: Page) -> None:
    opened.set_viewport_size(PHONE)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 320
    beyond = opened.evaluate(
        # what only a screen reader finds lies clipped in a box of one pixel
        "[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && "
        "e.closest('thead, .quiet')?.getBoundingClientRect().width !== 1 && "
        "e.getBoundingClientRect().right > 320.5).map(e => e.outerHTML.slice(0, 120))"
    )
    assert beyond == []


def test_the_page_is_dark_where_the_reader_wants_it(opened: Page) -> None:
    def lightness(scheme: Literal["light", "dark"]) -> tuple[float, float]:
        opened.emulate_media(color_scheme=scheme)
        paper, ink = opened.evaluate(
            "(() => { const s = getComputedStyle(document.body); "
            "return [s.backgroundColor, s.color].map(c => c.match(/[0-9]+/g).slice(0, 3)"
            ".reduce((a, b) => a + Number(b), 0) / 765) })()"
        )
        return paper, ink

    paper, ink = lightness("light")
    assert paper > 0.9 and ink < 0.2
    paper, ink = lightness("dark")
    assert paper < 0.15 and ink > 0.8


def test_the_keyboard_reaches_every_link_in_order(opened: Page) -> None:
    page = opened
    page.set_viewport_size(WIDE)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map(a => a.href)")
    reached: list[str] = []
    for _ in links:
        page.keyboard.press("Tab")
        focus: dict[str, Any] = page.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e), "
            "b = e.getBoundingClientRect(); return {href: e.href, outline: s.outlineStyle, "
            "width: parseFloat(s.outlineWidth), seen: b.bottom > 0 && b.top < innerHeight} })()"
        )
        reached.append(focus["href"])
        assert focus["outline"] == "solid" and focus["width"] >= 2, focus
        assert focus["seen"], focus
    assert reached == links and len(links) >= 4
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.href") == links[-2]


def test_the_skip_link_leads_past_the_navigation(show: Open) -> None:
    page = show("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('h3') !== null")


def test_from_the_index_to_a_pack_without_scripts(show: Open, built: Path) -> None:
    page = show("index.html", scripts=False)
    page.get_by_role("link", name="Monthly review, October 2026").press("Enter")
    page.wait_for_url("**/edition-2.html")
    pack = page.get_by_role("link", name="Review pack").get_attribute("href")
    assert pack is not None
    at = built / "monthly" / "2026-10" / pack
    assert at.resolve() == (built / "monthly/2026-10/edition-2/review-pack.pdf").resolve()
    assert at.read_bytes().startswith(b"%PDF")
    page.get_by_role("link", name="Edition 1").press("Enter")
    page.wait_for_url("**/edition-1.html")
    page.get_by_role("link", name="Decision log").press("Enter")
    page.wait_for_url("**/decisions.html")


def test_one_heading_names_the_page_and_none_is_skipped(opened: Page) -> None:
    levels = opened.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert opened.title().endswith("Meridian Foods")
