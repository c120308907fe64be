"""Figures for hand-made models: a value from its text, and the states that are none."""

from __future__ import annotations

from decimal import Decimal

from orchestration.scorecard.model import Figure

NO_DATA = Figure(state="no_data", text="no data", reason="the feed is not connected")
SUPPRESSED = Figure(state="suppressed", text="too few people to show")
NOT_REACHED = Figure(state="not_reached", text="not reached", reason="under half have passed")


def value(text: str) -> Figure:
    """A figure whose value is the number its text starts with."""
    number = text.replace(",", "").lstrip("£").split()[0].replace("\u2212", "-")
    return Figure(state="value", value=Decimal(number), text=text)
