"""Chart geometry, once for every rendering: unit coordinates, x to the right and y downwards.

Typst and SVG draw what stands here; neither computes a position of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.review.words import clean, counted, quantity, short_date, short_span, tick_label
from orchestration.scorecard.model import Annotation, Kpi, Limits, Point

MOST_NOTES = 5
_SLOTS = {Grain.WEEK: 13, Grain.MONTH: 13, Grain.QUARTER: 5}


class _Scale:
    """Maps values onto 0 (top) to 1 (bottom), with room above and below."""

    def __init__(self, values: Sequence[float], room: float = 0.08) -> None:
        low, high = min(values), max(values)
        spread = (high - low) or max(abs(high) * 0.1, 1.0)
        self.low, self.high = low - room * spread, high + room * spread

    def y(self, value: float) -> float:
        return round(1 - (value - self.low) / (self.high - self.low), 4)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values within the scale, about ``count`` of them."""
        rough = (self.high - self.low) / count
        power = 10 ** math.floor(math.log10(rough))
        step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * 0.999)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]


def period_of(point: Point) -> Period | None:
    """The period a point is of; None where its id is none of ours."""
    try:
        return Period.parse(point.period_id)
    except Problem:
        return None


def point_label(point: Point) -> str:
    """The short name of a point's period on an axis: 'Oct', 'Q3', 'W45'."""
    period = period_of(point)
    if period is None:
        return clean(point.label, 8)
    if period.grain is Grain.MONTH:
        return f"{period.start:%b}"
    return period.id.split("-")[1]


def plotted(kpi: Kpi) -> tuple[Point, ...]:
    """The points a picture draws: those the limits judge, the level where there are no limits."""
    if kpi.limits is not None and kpi.limits.basis != "level" and kpi.charted:
        return kpi.charted
    return kpi.series


def drawable_limits(kpi: Kpi) -> Limits | None:
    """The limits, where the points on their basis are known (limits of a gain say nothing of a
    level)."""
    if kpi.limits is not None and kpi.limits.basis != "level" and not kpi.charted:
        return None
    return kpi.limits


def basis_words(kpi: Kpi) -> str | None:
    """What the picture shows where that is not the level itself."""
    limits = drawable_limits(kpi)
    if limits is None or limits.basis == "level":
        return None
    if limits.basis == "same_month_last_year":
        return "change on last year"
    period = period_of(kpi.series[-1]) if kpi.series else None
    return f"change each {period.grain if period else 'period'}"


def target_line(kpi: Kpi) -> Decimal | None:
    """The target's value where it lies on the picture's scale."""
    return kpi.target.value if basis_words(kpi) is None else None


def _positions(series: Sequence[Point]) -> list[float]:
    period = period_of(series[-1])
    slots = max(_SLOTS[period.grain] if period else 13, len(series), 2)
    return [round((slots - len(series) + i) / (slots - 1), 4) for i in range(len(series))]


def _curve(series: Sequence[Point], scale: _Scale) -> dict[str, Any]:
    """Lines between neighbours that both have a value; gaps stay gaps."""
    runs: list[list[list[float]]] = []
    dots: list[dict[str, Any]] = []
    gaps: list[float] = []
    open_run = False
    for x, point in zip(_positions(series), series, strict=True):
        if point.value is None:
            open_run = False
            gaps.append(x)
            continue
        if not open_run:
            runs.append([])
            open_run = True
        y = scale.y(float(point.value))
        runs[-1].append([x, y])
        dots.append({"x": x, "y": y, "signal": point.signal, "tone": _tone(point.signal)})
    return {"runs": [run for run in runs if len(run) > 1], "dots": dots, "gaps": gaps}


def _tone(signal: str | None) -> str:
    return {"improving": "good", "concerning": "bad", None: "neutral"}[signal]


def _band(limits: Limits | None, scale: _Scale) -> dict[str, float] | None:
    if limits is None:
        return None
    top, bottom = scale.y(float(limits.upper)), scale.y(float(limits.lower))
    return {"top": top, "bottom": bottom, "mean": scale.y(float(limits.mean))}


def _scale_of(
    series: Sequence[Point], limits: Limits | None, target: Decimal | None, room: float
) -> _Scale | None:
    values = [float(p.value) for p in series if p.value is not None]
    if not values:
        return None
    if limits:
        values += [float(limits.lower), float(limits.upper)]
    if target is not None:
        values.append(float(target))
    return _Scale(values, room)


def sparkline(
    series: Sequence[Point], limits: Limits | None = None, target: Decimal | None = None
) -> dict[str, Any] | None:
    """A word-sized line with band and target; None where no point has a value."""
    scale = _scale_of(series, limits, target, 0.1)
    if scale is None:
        return None
    return {
        **_curve(series, scale),
        "band": _band(limits, scale),
        "target": None if target is None else scale.y(float(target)),
    }


def behaviour_chart(
    kpi: Kpi, annotations: Sequence[Annotation], currency: str
) -> dict[str, Any] | None:
    """The XmR chart of a KPI: axis, limits, target, and the initiatives of the charted periods."""
    points, limits, target = plotted(kpi), drawable_limits(kpi), target_line(kpi)
    change = basis_words(kpi) is not None
    scale = _scale_of(points, limits, target, 0.1)
    if scale is None:
        return None

    def words(value: Decimal) -> str:
        return quantity(value, kpi.unit, currency, change=change)

    positions = _positions(points)
    lines: list[dict[str, Any]] = []
    if target is not None:
        lines.append(_rule("target", target, f"target {words(target)}", scale))
    if limits is not None:
        lines += [
            _rule("limit", limits.upper, f"upper limit {words(limits.upper)}", scale),
            _rule("mean", limits.mean, f"mean {words(limits.mean)}", scale),
            _rule("limit", limits.lower, f"lower limit {words(limits.lower)}", scale),
        ]
    return {
        **_curve(points, scale),
        "band": _band(limits, scale),
        "rules": _spread(lines),
        "ticks": [
            {"y": scale.y(tick), "text": tick_label(tick, kpi.unit, change)}
            for tick in scale.ticks()
        ],
        "labels": [
            {"x": x, "text": point_label(p), "year": _year(p, i)}
            for i, (x, p) in enumerate(zip(positions, points, strict=True))
        ],
        "notes": _notes(annotations, points, positions),
        "rebased": short_date(limits.rebased_on) if limits and limits.rebased_on else None,
    }


def _rule(kind: str, value: Decimal, text: str, scale: _Scale) -> dict[str, Any]:
    return {"kind": kind, "y": scale.y(float(value)), "text": text}


def _notes(
    annotations: Sequence[Annotation], points: Sequence[Point], positions: Sequence[float]
) -> list[dict[str, Any]]:
    """The initiatives that fall in a charted period, numbered in time order."""
    by_period = {p.period_id: x for p, x in zip(points, positions, strict=True)}
    inside = [a for a in annotations if a.period_id in by_period]
    inside.sort(key=lambda a: (a.starts_on, a.title))
    return [
        {
            "x": by_period[note.period_id],
            "number": str(number),
            "title": clean(note.title, 80),
            "when": short_span(note.starts_on, note.ends_on),
            "kind": note.kind.replace("_", " "),
        }
        for number, note in enumerate(inside[-MOST_NOTES:], start=1)
    ]


def _year(point: Point, index: int) -> str | None:
    """The year under the first label and under each January (or first quarter)."""
    period = period_of(point)
    if period is None:
        return None
    return str(period.start.year) if index == 0 or period.start.month == 1 else None


def _spread(rules: list[dict[str, Any]], apart: float = 0.14) -> list[dict[str, Any]]:
    """Give each line's label a place of its own: at least ``apart`` from its neighbours."""
    ordered = sorted(rules, key=lambda rule: rule["y"])
    for _ in range(20):
        for rule in ordered:
            rule.setdefault("label_y", rule["y"])
        for above, below in pairwise(ordered):
            overlap = apart - (below["label_y"] - above["label_y"])
            if overlap > 1e-6:
                above["label_y"] = round(above["label_y"] - overlap / 2, 4)
                below["label_y"] = round(below["label_y"] + overlap / 2, 4)
    return ordered


def described(kpi: Kpi, currency: str) -> str:
    """The picture in words, for whoever cannot see it."""
    known = [(p, p.value) for p in plotted(kpi) if p.value is not None]
    name = clean(kpi.name, 90)
    if not known:
        return f"{name}: no series to draw yet."
    basis = basis_words(kpi)

    def words(value: Decimal) -> str:
        return quantity(value, kpi.unit, currency, change=basis is not None)

    (first, start), (last, end) = known[0], known[-1]
    text = (
        f"{name}{f' ({basis})' if basis else ''}, {counted(len(known), 'point')} from "
        f"{clean(first.label, 30)} to {clean(last.label, 30)}: from {words(start)} to {words(end)}"
    )
    if limits := drawable_limits(kpi):
        text += f"; process limits {words(limits.lower)} to {words(limits.upper)}"
    if (target := target_line(kpi)) is not None:
        text += f"; target {words(target)}"
    return f"{text}. {clean(kpi.mark.text, 80)}."
