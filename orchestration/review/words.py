"""Text fit to print: clean, bounded, with dates and counts as a reader says them."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from orchestration.scorecard.model import Unit

_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
_MONTHS = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
)
_DATE = re.compile(
    rf"(?:\b(?:as of|by|on|since|until|from|to) )?\b(?:\d{{1,2}} )?{_MONTHS}(?: \d{{4}})?\b"
)
"""A date as a reader says it, with the word that leads to it."""
_LONGEST_TOKEN = 24
_COLUMNS = 76


def clean(text: str, limit: int = 600) -> str:
    """``text`` on one line, without control or direction-override characters, cut at a word.

    A date is kept whole or left out: half of one says another day.

    Args:
        text: any text, as it came from a feed.
        limit: most characters to keep; a cut text ends in an ellipsis.
    """
    kept = "".join(
        " " if character.isspace() else character
        for character in text[: 20 * limit]
        if character.isspace()
        or (
            unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Co")
            and character not in _BIDI_CONTROLS
        )
    )
    line = re.sub(r" +", " ", kept).strip()
    if len(line) <= limit:
        return line
    head = line[: limit - 1]
    space = head.rfind(" ")
    end = space if space > limit * 0.5 else len(head)
    for found in _DATE.finditer(line):
        if 0 < found.start() < end < found.end():
            end = found.start()
    return line[:end].rstrip(" ,;:-") + "\u2026"


def breakable(value: Any) -> Any:
    """The same data with a zero-width space in every run of letters too long for a column."""
    if isinstance(value, str):
        return re.sub(rf"(\S{{{_LONGEST_TOKEN}}})(?=\S)", "\\1\u200b", value)
    if isinstance(value, dict):
        return {key: breakable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [breakable(item) for item in value]
    return value


def unbroken(text: str) -> str:
    """``text`` with its spaces made non-breaking, so that a number keeps its unit."""
    return text.replace(" ", "\u00a0")


def long_date(day: date) -> str:
    """'31 October 2026'."""
    return f"{day.day} {day:%B %Y}"


def short_date(day: date) -> str:
    """'31 Oct 2026'."""
    return f"{day.day} {day:%b %Y}"


def short_span(first: date, last: date | None) -> str:
    """'28 Sep to 23 Oct 2026', 'since 28 Sep 2026' or, for one day, '28 Sep 2026'."""
    if last is None:
        return f"since {short_date(first)}"
    if last == first:
        return short_date(first)
    start = f"{first.day} {first:%b}" if first.year == last.year else short_date(first)
    return f"{start} to {short_date(last)}"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """'two decisions', 'one decision', '12 decisions'."""
    return f"{spelled(count)} {singular if count == 1 else plural or singular + 's'}"


def spelled(count: int) -> str:
    """'two', '12'."""
    return _COUNTS[count] if count < len(_COUNTS) else f"{count:,}"


def sentence_case(text: str) -> str:
    """The same text with its first letter large."""
    return text[:1].upper() + text[1:]


def listed(items: Iterable[str]) -> str:
    """'a, b and c'."""
    *head, last = list(items)
    return f"{', '.join(head)} and {last}" if head else last


def quantity(value: Decimal, unit: Unit, currency: str = "", *, change: bool = False) -> str:
    """A number of a chart (limit, mean, target) with its unit: '78.4 %', '48 days', '+1.2 points'.

    Args:
        change: the number is a difference; it gets a sign, and per cents become points.
    """
    places = {"percent": "0.1", "per_100": "0.1", "index_change": "0.1"}.get(unit, "1")
    rounded = value.quantize(Decimal(places), ROUND_HALF_UP)
    rounded = abs(rounded) if rounded == 0 else rounded
    sign = "+" if rounded > 0 and (change or unit == "index_change") else ""
    number = minus(f"{sign}{rounded:,}")
    if unit == "currency":
        return unbroken(f"{currency} {number}")
    per_cent = " points" if change else " %"
    suffix = {"percent": per_cent, "index_change": per_cent, "days": " days", "weeks": " weeks"}
    return unbroken(number + suffix.get(unit, ""))


def tick_label(value: float, unit: Unit, change: bool) -> str:
    """A round number on an axis, with as many decimals as it needs."""
    number = minus(f"{round(value, 6):,g}" if abs(value) < 1_000_000 else f"{value:,.0f}")
    return unbroken(f"{number} %") if unit == "percent" and not change else number


def minus(text: str) -> str:
    """A hyphen before a digit becomes a minus sign."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\u2212", text)


def wrapped(text: str, indent: str = "") -> str:
    """One paragraph folded to 76 columns; continuation lines start with ``indent``."""
    first = indent if text.startswith(indent) else ""
    return textwrap.fill(
        text.strip().replace("\u00a0", " "),
        _COLUMNS,
        initial_indent=first,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,  # a link in two is none
    )
