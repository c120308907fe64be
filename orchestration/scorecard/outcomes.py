"""Business outcomes by quarter: what they were before launch, now, and where nothing started yet.

Like is compared with like: a reporting unit counts only where all the quarters that are compared
are known of it, and the units not yet started are measured over the same quarters as the unit that
they are compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from orchestration.periods import Grain, Period
from orchestration.scorecard.figures import Figures

KPI = "performance_improvement"
BASELINE_QUARTERS = 4


@dataclass(frozen=True)
class Declared:
    """What the programme declared for one unit: the metric, the launch, who reports."""

    metric: str
    direction: str
    launch: date
    reporting: frozenset[str]


class Outcomes:
    """Outcomes of the period and the quarters before it, from ``fct_outcomes`` as published."""

    def __init__(self, figures: Figures) -> None:
        self._period = figures.period
        self._figures = figures
        rows = [row for row in figures.marts.outcomes if row["period_start"] <= self._period.start]
        self._sums: dict[tuple[str, str, date], tuple[Decimal, Decimal]] = {}
        for row in sorted(rows, key=lambda r: r["period_start"]):  # the newest knowledge stays
            key = (str(row["reporting_unit_id"]), str(row["outcome_metric"]), row["quarter_start"])
            if row["numerator"] is not None and row["denominator"] is not None:
                self._sums[key] = (row["numerator"], row["denominator"])
        self._declared: dict[str, Declared] = {}
        own = [row for row in rows if row["period_start"] == self._period.start]
        for row in own:
            unit = str(row["org_unit_id"])
            known = self._declared.get(unit)
            self._declared[unit] = Declared(
                metric=str(row["outcome_metric"]),
                direction=str(row["direction"] or "up"),
                launch=row["launch_quarter"],
                reporting=frozenset({str(row["reporting_unit_id"])})
                | (known.reporting if known else frozenset()),
            )

    def of(self, unit: str) -> Declared | None:
        """What was declared for a unit, where its outcome is reported."""
        return self._declared.get(unit)

    def units(self) -> tuple[str, ...]:
        """Units with an outcome, in tree order."""
        return tuple(unit for unit in self._figures.order if unit in self._declared)

    def variation(self, unit: str) -> Decimal | None:
        """How far a quarter before launch lay from the baseline at most, in per cent of it."""
        declared = self._declared.get(unit)
        if declared is None:
            return None
        quarters = _before(declared.launch)
        reporting = self._complete(declared.reporting, declared.metric, quarters)
        whole = self._ratio(reporting, declared.metric, quarters)
        each = [self._ratio(reporting, declared.metric, [quarter]) for quarter in quarters]
        if not whole or any(ratio is None for ratio in each):
            return None
        return max(100 * abs(ratio - whole) / abs(whole) for ratio in each if ratio is not None)

    def not_started(self, unit: str) -> Decimal | None:
        """The change, over the unit's own quarters, of the units that have not started yet.

        In per cent, signed so that a plus is better; None where no such unit reports the metric.
        Units of too few people are left out.
        """
        declared = self._declared.get(unit)
        if declared is None:
            return None
        reading = self._figures.reading(self._figures.catalogue[KPI])
        hidden = self._figures.hidden(reading)
        waiting = {
            name
            for name, other in self._declared.items()
            if other.launch > self._period.start
            and other.metric == declared.metric
            and other.reporting == {name}
            and name not in hidden
        }
        quarters = _before(declared.launch)
        now = self._period.start
        reporting = self._complete(waiting, declared.metric, [*quarters, now])
        before = self._ratio(reporting, declared.metric, quarters)
        after = self._ratio(reporting, declared.metric, [now])
        if not before or after is None:
            return None
        change = 100 * (after - before) / abs(before)
        return -change if declared.direction == "down" else change

    def _complete(
        self, units: Iterable[str], metric: str, quarters: Sequence[date]
    ) -> tuple[str, ...]:
        return tuple(
            sorted(u for u in units if all((u, metric, q) in self._sums for q in quarters))
        )

    def _ratio(self, units: Sequence[str], metric: str, quarters: Sequence[date]) -> Decimal | None:
        known = [self._sums[(unit, metric, quarter)] for unit in units for quarter in quarters]
        below = sum((denominator for _, denominator in known), Decimal(0))
        if below <= 0:
            return None
        return sum((numerator for numerator, _ in known), Decimal(0)) / below


def _before(launch: date) -> list[date]:
    first = Period.containing(Grain.QUARTER, launch)
    return [first.shift(-back).start for back in range(BASELINE_QUARTERS, 0, -1)]
