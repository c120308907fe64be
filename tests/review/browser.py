"""Measures pages in the browser that people read them in: Chromium, without a window."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pytest

from orchestration.review.typesetting import FONTS

_MEASURE = """
addEventListener('load', async () => {
  for (const frame of document.querySelectorAll('iframe')) {
    await frame.contentDocument.fonts.ready;
  }
  const sizes = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument;
    return [page.documentElement.scrollWidth, page.body.scrollHeight];
  });
  document.title = JSON.stringify(sizes);
});
"""


@lru_cache(maxsize=1)
def _inter() -> str:
    """The first font that our pages ask for; phones have one of its width."""
    faces = []
    for style, weight in (("Regular", 400), ("SemiBold", 600)):
        data = base64.b64encode((FONTS / f"Inter-{style}.otf").read_bytes()).decode()
        faces.append(
            f"@font-face {{ font-family: Inter; font-weight: {weight}; "
            f"src: url(data:font/otf;base64,{data}) }}"
        )
    return f"<style>{''.join(faces)}</style>"


def _with_font(file: Path) -> str:
    return file.read_text(encoding="utf-8").replace("</head>", f"{_inter()}</head>", 1)


def measure(files: Sequence[Path], width: int, aside: Path) -> list[tuple[float, float]]:
    """(width with what overflows, height) of each page when shown ``width`` pixels wide."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    frames = "".join(
        f'<iframe srcdoc="{html.escape(_with_font(file))}" '
        f'style="width:{width}px;height:900px;border:0"></iframe>'
        for file in files
    )
    page = aside / "measure.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title></title><body>{frames}"
        f"<script>{_MEASURE}</script></body>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={aside / 'profile'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found, done.stderr[-500:]
    return [(across, height) for across, height in json.loads(html.unescape(found[1]))]
