"""One figure as the templates see it: its text, its parts, its state."""

from __future__ import annotations

import re
from typing import Any

from orchestration.review.words import clean, minus, unbroken
from orchestration.scorecard.model import Figure

_NUMBER_AND_UNIT = re.compile(r"(?P<number>[+\u2212]?[\d.,]+) (?P<unit>per 100|[^\d]{1,12})")


def figure(value: Figure) -> dict[str, Any]:
    """A figure's text, its state and the reason where it is not a value."""
    text = minus(clean(value.text, 40))
    parted = _NUMBER_AND_UNIT.fullmatch(text) if value.state == "value" else None
    return {
        "text": unbroken(text) if value.state == "value" else text,
        "number": parted["number"]
        if parted
        else unbroken(text)
        if value.state == "value"
        else text,
        "unit": parted["unit"] if parted else "",
        "state": value.state,
        "reason": clean(value.reason, 90) if value.reason and value.state != "value" else None,
    }


def in_table(value: Figure) -> dict[str, Any]:
    """A figure in a narrow column; the table's note says what 'hidden' means."""
    shown = figure(value)
    return {**shown, "text": "hidden"} if value.state == "suppressed" else shown


def absent() -> dict[str, Any]:
    """The dash of a cell that cannot have a figure."""
    return {"text": "\u2013", "number": "\u2013", "unit": "", "state": "no_data", "reason": None}
