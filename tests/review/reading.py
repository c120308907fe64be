"""Reads what was rendered back: visible text, tags, PDF text and structure."""

from __future__ import annotations

import re
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from pypdf import PdfReader


@lru_cache(maxsize=64)
def pdf_text(file: Path) -> str:
    """All text of a PDF with runs of white space (line breaks, no-break spaces) as one space."""
    pages = (page.extract_text() for page in PdfReader(file).pages)
    return re.sub(r"\s+", " ", " ".join(pages).replace("\u200b", "").replace("\u00a0", " "))


def squeezed(text: str) -> str:
    """Without white space: where a line breaks is the layout's business."""
    return re.sub(r"[\s\u200b\u00a0]+", "", text)


class Reader(HTMLParser):
    """Collects visible text, start tags with attributes, and mismatched end tags."""

    void = frozenset({"meta", "img", "br", "line", "rect", "circle", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.void:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def read_html(file: Path) -> Reader:
    """The page, parsed."""
    reader = Reader()
    reader.feed(file.read_text(encoding="utf-8"))
    reader.close()
    return reader


def visible(file: Path) -> str:
    """The page's text without white space."""
    return squeezed(" ".join(read_html(file).text))


def check_html(file: Path) -> None:
    """Well formed, under 100 KB, one title and one h1, no request to anywhere."""
    reader = read_html(file)
    source = file.read_text(encoding="utf-8")
    assert not reader.faults and not reader.open
    assert file.stat().st_size < 100_000
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|javascript:", source, re.I)
    for tag, attributes in reader.tags:
        for attribute in ("src", "href", "srcset", "action", "background"):
            value = attributes.get(attribute)
            assert value is None or value.startswith("cid:"), (tag, value)
        if tag == "img":
            assert attributes["alt"]
    assert reader.tags[0][0] == "html" and reader.tags[0][1]["lang"] == "en-GB"
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("h1") == 1 and tags.count("title") == 1


def check_pdf(file: Path, title: str) -> Any:
    """Tagged, PDF/UA-1, titled, in British English, with bookmarks; returns the reader."""
    reader = PdfReader(file)
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None and reader.metadata.title == title
    assert b"pdfuaid" in root["/Metadata"].get_data(), "declares PDF/UA-1"
    assert reader.outline
    return reader
