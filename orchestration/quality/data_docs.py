"""Great Expectations' own Data Docs of a feed's newest validation, made to load nothing.

As it comes, a page of Data Docs asks six other hosts for style sheets, scripts and pictures. These
are taken out, and a content policy forbids any that may be left: what remains is the library's
text and tables, plainly set. It is drawn with no person's data: what is validated are counts.
"""

from __future__ import annotations

import re
from typing import Any

from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.quality.expectations import kept_validation
from orchestration.settings import FeedName

_HEAD = """<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'">
<meta name="color-scheme" content="light dark">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { border: 1px solid; padding: .25rem .5rem; }
</style>
"""
_TAKEN_OUT = (
    r"<script\b.*?</script>",
    r"<noscript\b.*?</noscript>",
    r"<link\b[^>]*>",
    r"<img\b[^>]*>",
    r"<footer\b.*?</footer>",  # an invitation to the library's newsletter
    r"\son\w+=(\"[^\"]*\"|'[^']*')",
)


def data_docs(lake: Lake, feed: FeedName) -> str | None:
    """The page; None where no validation of the feed was kept.

    Raises:
        Problem: what was kept is not a result that this version of Great Expectations reads.
    """
    kept = kept_validation(lake, feed)
    if kept is None:
        return None
    try:
        page = _drawn(kept["result"], kept["deliveries"])
    except Exception as error:  # whatever the library raises on what another version wrote
        raise Problem(
            f"the kept validation of {feed} cannot be drawn ({type(error).__name__}).",
            file=lake.path("validations", f"{feed}.json"),
            remedy="it is written anew when the next delivery is judged; until then set "
            "[quality] data_docs = false.",
        ) from error
    for pattern in _TAKEN_OUT:
        page = re.sub(pattern, "", page, flags=re.DOTALL | re.IGNORECASE)
    # links to pages of a whole site of Data Docs, which is not built
    page = re.sub(r'<a href="(?!#)[^"]*"', "<a", page)
    return page.replace("<head>", f"<head>\n{_HEAD}", 1)


def _drawn(result: Any, deliveries: list[str]) -> str:
    from great_expectations.core.expectation_validation_result import (
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    read = expectationSuiteValidationResultSchema.load(result)
    newest = max(deliveries)
    read.meta["run_id"] = {"run_name": newest, "run_time": f"{newest[:10]}T00:00:00+00:00"}
    view: Any = DefaultJinjaPageView()
    return str(view.render(ValidationResultsPageRenderer().render(read)))
