"""Typst: from data and a template to PDF or PNG bytes that are the same every time."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any

from orchestration.review.words import breakable
from orchestration.settings import PROJECT_ROOT

TEMPLATES = PROJECT_ROOT / "templates"
FONTS = TEMPLATES / "shared" / "fonts"


@lru_cache(maxsize=1)
def _fonts() -> Any:
    import typst

    return typst.Fonts(include_system_fonts=False, font_paths=[FONTS])


class Typesetter:
    """One template with its data.

    The data goes in as JSON and is inserted as text by the template; Typst reads files beneath
    ``templates/`` only, so no text of a feed is ever evaluated or can name a file elsewhere.

    Args:
        template: path beneath ``templates/``.
        data: JSON-able view.
        day: the document's date, fixed so that a rebuild gives the same bytes.
        options: further plain inputs of the template, such as the text scale.
    """

    def __init__(
        self, template: str, data: dict[str, Any], day: date, **options: str | float
    ) -> None:
        import typst

        self._moment = datetime.combine(day, time(), tzinfo=UTC)
        self._compiler = typst.Compiler(
            TEMPLATES / template,
            root=TEMPLATES,
            font_paths=_fonts(),
            ignore_system_fonts=True,
            sys_inputs={
                "data": json.dumps(breakable(data), ensure_ascii=False),
                **{name: str(value) for name, value in options.items()},
            },
        )

    def pages(self) -> int:
        """How many pages the document has."""
        counted = json.loads(
            self._compiler.eval("query(<end>).first().location().page()", format="json")
        )
        return int(counted)

    def pdf(self) -> bytes:
        """A tagged PDF that keeps PDF/UA-1.

        A name in a script the shipped fonts lack cannot keep that standard; the PDF is then
        tagged all the same, and the characters print as the font's empty box.
        """
        import typst

        try:
            return self._compile(pdf_standards=["ua-1"])
        except typst.TypstError as error:
            if "could not be displayed" not in str(error.diagnostic):
                raise
        return self._compile()

    def pngs(self, ppi: float) -> list[bytes]:
        """One picture a page, at ``ppi`` pixels an inch (72 = one pixel a point)."""
        compiled = self._compiler.compile(format="png", ppi=ppi, timestamp=self._moment)
        return [compiled] if isinstance(compiled, bytes) else list(compiled or [])

    def _compile(self, **options: Any) -> bytes:
        compiled = self._compiler.compile(format="pdf", timestamp=self._moment, **options)
        assert isinstance(compiled, bytes)
        return compiled


def page_count(pdf: bytes) -> int:
    """How many pages a PDF of ours has (its page tree is never compressed)."""
    counts = re.findall(rb"/Type\s*/Pages\s*/Count\s+(\d+)", pdf)
    return max(map(int, counts), default=0)
