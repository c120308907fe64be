"""The year-end forecast of a KPI: what its process gives if it runs on as it does now.

There is one only where the process is predictable: it has natural limits (twelve points at least),
its latest point signals nothing, and the group it counts did not become another one. Nothing is
fitted and no trend is drawn on.
"""

from __future__ import annotations

from decimal import Decimal

from orchestration.periods import Grain, Period
from orchestration.scorecard import wording
from orchestration.scorecard.model import Figure, Limits, Unit


def periods_left(period: Period) -> int:
    """Periods of the same grain that follow within the calendar year; 0 in its last one."""
    if period.grain is Grain.MONTH:
        return 12 - period.start.month
    if period.grain is Grain.QUARTER:
        return 4 - (period.start.month + 2) // 3
    return 0  # a year's end is no matter for a weekly stand-up


def year_end(
    now: Figure,
    limits: Limits | None,
    period: Period,
    *,
    unit: Unit,
    precision: int,
    currency: str,
) -> tuple[Figure, str] | None:
    """The forecast for the year's end and its range in words; None where there is none.

    A level is expected at the mean of its process, within the natural limits. A stock is expected
    at its value plus the mean net gain of each period left; its range widens with their number
    (the gains are taken as independent).
    """
    left = periods_left(period)
    if limits is None or now.state != "value" or now.value is None or not left:
        return None
    if limits.basis == "level":
        centre, lower, upper = limits.mean, limits.lower, limits.upper
    elif limits.basis == "net_gain":
        centre = now.value + left * limits.mean
        spread = (limits.upper - limits.mean) * Decimal(left).sqrt()
        lower, upper = centre - spread, centre + spread
    else:
        return None
    if unit != "index_change":
        most = Decimal(100) if unit == "percent" else max(upper, centre)
        centre, lower, upper = (min(max(x, Decimal(0)), most) for x in (centre, lower, upper))
    return (
        wording.value_figure(centre, unit, precision, currency),
        wording.amount_range(lower, upper, unit, precision, currency),
    )
