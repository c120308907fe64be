"""Looks at printed pages as pictures: what runs over its column ends up in a margin."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from orchestration.review.typesetting import Typesetter

_MARGIN = 16.5 * 72 / 25.4  # of the 18 mm; signs and dots may stand out a little


def collect_pages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Any]]:
    """From now on, every page of every PDF made: (template, number, grey picture)."""
    pages: list[tuple[str, int, Any]] = []
    pdf, init = Typesetter.pdf, Typesetter.__init__

    def named(self: Typesetter, template: str, *args: Any, **options: Any) -> None:
        init(self, template, *args, **options)
        self.__dict__["template"] = template

    def drawn(self: Typesetter) -> bytes:
        for number, png in enumerate(self.pngs(72), start=1):
            pages.append((self.__dict__["template"], number, grey(png)))
        return pdf(self)

    monkeypatch.setattr(Typesetter, "__init__", named)
    monkeypatch.setattr(Typesetter, "pdf", drawn)
    return pages


def grey(png: bytes) -> Any:
    """The picture's lightness, height by width, 255 = white."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB").convert("L"))


def ink_in_margins(page: Any) -> tuple[int, int]:
    """Marked pixels in the left and in the right margin of an A4 page at 72 an inch."""
    margin = int(_MARGIN)
    return int((page[:, :margin] < 245).sum()), int((page[:, -margin:] < 245).sum())
