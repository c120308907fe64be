"""The period's figures as a page may show them: rounded, small groups withheld, marked.

Everything that a page says of a number comes from here; what stands beside it on which page is
decided by the modules that put the pages together (``build``, ``leadership``, ``standup``, ...).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import cast

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.scorecard import wording
from orchestration.scorecard.basis import PeriodBasis
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.marts import (
    SERIES,
    Marts,
    Row,
    latest_ended,
    shown_grain,
    tree_order,
)
from orchestration.scorecard.model import Figure, Limits, Mark, Point, Unit
from orchestration.scorecard.silence import with_silence
from orchestration.scorecard.suppression import hidden_units
from orchestration.settings import Settings

EMPLOYEE, CONTRACTOR = "employee", "contractor"

READING_ORDER = (
    "competency_by_day_90",
    "competency_at_risk",
    "certifications_lapsing_60d",
    "mandatory_overdue_today",
    "mandatory_short_notice",
    "elective_completion_rate",
    "active_learner_rate_total",
    "adoption_velocity",
    "adoption_velocity_mandatory",
    "seat_use",
    "idle_seat_cost",
    "sponsor_visible_weeks",
    "leaders_flagship_completed",
    "commitments_closed_on_time",
)
"""The charter's order of what has no ``headline_order``; published rows keep none of their own."""
ADDITIVE_RATES = frozenset(
    {
        "on_time_completion_rate",
        "elective_completion_rate",
        "active_learner_rate",
        "active_learner_rate_total",
        "adoption_velocity",
        "adoption_velocity_mandatory",
    }
)
"""Rates whose year to date is the sum of numerators over the sum of denominators."""
ADDITIVE_SUMS = frozenset({"mandatory_short_notice", "idle_seat_cost"})
"""Amounts of a period that add up over the year. Stocks and medians do not."""
COUNTS_OF_PEOPLE = frozenset({"mandatory_overdue_today"})
"""KPIs whose value is itself a number of people."""
OTHER_GROUP = Decimal("1.5")
"""A lasting change of the number counted by this factor makes a series hard to compare."""


_NOT_JUDGED = {
    "variation": "no_data",
    "assurance": "no_data",
    "rules": "",
    "mean": None,
    "lower_limit": None,
    "upper_limit": None,
}
"""What the limits say of a figure whose data are not complete: nothing."""


@dataclass(frozen=True)
class Reading:
    """One KPI's rows on this page: its period and its line of one unit (the whole, unless said)."""

    catalogue: Row
    period: Period
    unit: str
    value: Row | None
    signal: Row | None


class Figures:
    """Figures of one period, from its published rows (those of later periods are ignored).

    Raises:
        Problem: the rows lack what no page can do without (catalogue, organisation).
    """

    def __init__(
        self, marts: Marts, period: Period, basis: PeriodBasis, settings: Settings
    ) -> None:
        log, self.silent = with_silence(marts.decision_log, marts.decision_rights, period)
        self.marts = replace(marts, decision_log=log)
        self.period = period
        self.basis = basis
        self.settings = settings
        self.threshold = settings.organisation.privacy_threshold
        self.currency = settings.organisation.currency
        if not marts.kpi_catalogue:
            raise Problem(
                f"no KPI catalogue is published for {period.id}.",
                remedy=f"materialize the {period.grain} figures of {period.id} first.",
            )
        self.catalogue = {str(row["kpi_id"]): row for row in marts.kpi_catalogue}
        units = [row for row in marts.org_units if row.get("period_start") == period.start]
        self.units = {str(row["org_unit_id"]): row for row in units}
        self.tree: dict[str, str | None] = {
            unit: row["parent_org_unit_id"] for unit, row in self.units.items()
        }
        self.names = {unit: str(row["name"] or unit) for unit, row in self.units.items()}
        self.order = tree_order(units)
        if not self.order:
            raise Problem(
                f"no org unit is published for {period.id}.",
                remedy=f"see that the org_units feed has a snapshot no later than {period.end}.",
            )
        self.root = self.order[0]
        self._places = {unit: place for place, unit in enumerate(self.order)}
        self.values = {
            key_of(row): row
            for row in [*marts.kpi_values, *marts.coarser_values]
            if row["period_start"] <= period.end
        }
        self._of_unit: dict[tuple[str, str], list[Row]] = {}
        self._of_period: dict[tuple[str, date], dict[str, Row]] = {}
        self._known: dict[str, set[date]] = {}
        for (kpi_id, start, unit, line), row in self.values.items():
            if unit == self.root:
                self._known.setdefault(kpi_id, set()).add(start)
            if line == EMPLOYEE:
                self._of_unit.setdefault((kpi_id, unit), []).append(row)
                self._of_period.setdefault((kpi_id, start), {})[unit] = row
        self.signals: dict[tuple[str, date, str, str], Row] = {}
        now = [
            row
            if row["period_start"] != period.start or basis.judged(str(row["kpi_id"]))
            else {**row, **_NOT_JUDGED}
            for row in marts.kpi_signals
        ]
        for row in [*now, *marts.coarser_signals]:
            charted = self.catalogue.get(row["kpi_id"], {}).get("chart_basis")
            if row["period_start"] <= period.end and row["basis"] in (charted, None):
                self.signals[key_of(row)] = row
        self.governance = Governance(
            marts.governance,
            self.tree,
            marts.named_leaders,
            names=settings.privacy.names,
            units=self.names,
        )
        self.indices = {
            (
                str(row["index_id"]),
                self.unit_of_row(row),
                str(row["person_id"]) if row["subject"] == "leader" else None,
            ): row
            for row in marts.leader_indices
        }
        self._hidden: dict[tuple[str, date], frozenset[str]] = {}

    # ------------------------------------------------------------------ units

    def unit_of_row(self, row: Row) -> str:
        """The unit that a row is of; none, or '*', is the whole organisation."""
        unit = row["org_unit_id"]
        return self.root if unit in (None, "", "*") else str(unit)

    def place(self, unit: str | None) -> int:
        """The unit's place in tree order; the whole comes first, an unknown unit last."""
        unit = self.root if unit in (None, "", "*") else unit
        return self._places.get(str(unit), len(self._places))

    def depth(self, unit: str) -> int:
        """Steps from the whole organisation down to the unit."""
        steps, at, seen = 0, unit, {unit}
        while at != self.root and (parent := self.tree.get(at)) in self.units:
            if parent is None or parent in seen:
                break
            seen.add(parent)
            steps, at = steps + 1, parent
        return steps

    def beneath(self, unit: str) -> frozenset[str]:
        """The unit and every unit beneath it."""
        found = {unit}
        for each in self.order:  # parents come first
            if self.tree[each] in found:
                found.add(each)
        return frozenset(found) if unit != self.root else frozenset({*found, *self.order})

    def above(self, unit: str) -> Iterable[str]:
        """The unit and every unit that holds it, up to the whole organisation."""
        return [each for each in self.order if unit in self.beneath(each)]

    def topmost(self, units: Iterable[str]) -> list[str]:
        """Of these units those without another of them above, in tree order."""
        wanted = {unit for unit in units if unit in self.units}
        covered: set[str] = set()
        found = []
        for unit in sorted(wanted, key=self.place):
            if unit not in covered:
                found.append(unit)
                covered |= self.beneath(unit)
        return found

    def few(self, people: Mapping[str, int], cycles: int = 1) -> frozenset[str]:
        """The units whose figure must be withheld, for people counted by unit (rolled up).

        Args:
            cycles: periods over which they are summed; a group is as large as it is on average.
        """
        return hidden_units(self.tree, people, self.threshold * cycles)

    def few_managers(self, message_id: str) -> frozenset[str]:
        """The units of which it is withheld how many managers passed a message on.

        Of each message the same units, wherever a page tells of it.
        """
        managers = dict.fromkeys(self.units, 0)
        for row in self.marts.message_cascade:  # rolled up
            if row["message_id"] == message_id:
                managers[self.unit_of_row(row)] = int(row["managers"] or 0)
        return self.few(managers)

    # ------------------------------------------------------------------ one figure

    def people(self, row: Row | None) -> int:
        """People a figure stands for; the unit's headcount where the row does not say.

        A value other than zero stands for somebody, whatever was counted.
        """
        if row is None:
            return 0
        known = row.get("people")
        if row["kpi_id"] in COUNTS_OF_PEOPLE and row["value"]:
            return int(row["value"])  # the people counted are the group, not those looked at
        if known or not row["value"]:
            return int(known or 0)
        headcount = self.units.get(str(row["org_unit_id"]), {}).get("headcount")
        return int(headcount) if headcount is not None else 1

    def small(self, row: Row | None) -> bool:
        """Whether a figure stands for a group below the privacy threshold."""
        return 0 < self.people(row) < self.threshold

    def figure(self, catalogue: Row, row: Row | None, *, hidden: bool | None = None) -> Figure:
        """A row's value as it is shown."""
        if self.small(row) if hidden is None else hidden:
            return wording.suppressed()
        if row is None:
            return wording.no_data("no figures for this period")
        if row["value"] is None:
            reason = str(row.get("no_data_reason") or "").replace("_", " ")
            if _is_not_reached(catalogue, row, reason):
                return wording.not_reached(
                    "fewer than half are expected to have reached it by the period's end"
                )
            return wording.no_data(reason or "nothing to count")
        return wording.value_figure(
            row["value"], unit_of(catalogue), int(catalogue["precision"]), self.currency
        )

    def part(self, catalogue: Row, row: Row | None, name: str) -> Figure:
        """Numerator or denominator as it is shown.

        A count of people is withheld, too, when those it leaves out are a small group: headcount
        less the count would number the few people on leave. The same holds of two counts beside
        each other: the larger one less the other would number the few whom only one counts.
        """
        if self.small(row):
            return wording.suppressed()
        if self._counts_heads(row) and self.people(row) not in self._telling_counts:
            return wording.suppressed()
        if row is None or row[name] is None:
            return wording.no_data(None)
        if catalogue["unit"] == "currency" and name == "numerator":
            return wording.value_figure(row[name], "currency", 0, self.currency)
        return wording.plain_figure(row[name])

    def _counts_heads(self, row: Row | None) -> bool:
        """Whether a row's denominator is a number of this period's people."""
        return (
            row is not None
            and row["period_start"] == self.period.start
            and row["denominator"] == row["people"]
        )

    @cached_property
    def _telling_counts(self) -> frozenset[int]:
        """The counts of people that may stand on one page: no two differ by a small group."""
        kept = [int(self.units[self.root]["headcount"] or 0)]
        for catalogue in [*self.of_role("headline"), *self.of_role("below")]:
            row = self.reading(catalogue).value
            if row is not None and self._counts_heads(row):
                count = self.people(row)
                if all(not 0 < abs(count - other) < self.threshold for other in kept):
                    kept.append(count)
        return frozenset(kept)

    def target(self, catalogue: Row, row: Row | None) -> Figure:
        """The target in force for the period."""
        if row is None or row["target"] is None:
            return wording.no_data("no target set", wording.NO_TARGET)
        return wording.value_figure(
            row["target"], unit_of(catalogue), int(catalogue["precision"]), self.currency
        )

    # ------------------------------------------------------------------ one KPI

    def reading(self, catalogue: Row, unit: str | None = None) -> Reading:
        """The KPI's period and rows: this period, or the latest published coarser one."""
        unit = unit or self.root
        kpi_id = str(catalogue["kpi_id"])
        grain = shown_grain(catalogue, self.period.grain)
        if grain is None or grain is self.period.grain:
            period = self.period
        else:
            period = latest_ended(grain, self.period)
            known = [start for start in self._known.get(kpi_id, ()) if start <= period.start]
            if known:
                period = Period.containing(grain, max(known))
        key = (kpi_id, period.start, unit, EMPLOYEE)
        return Reading(catalogue, period, unit, self.values.get(key), self.signals.get(key))

    def of(self, catalogue: Row, period: Period, unit: str) -> Reading:
        """The KPI's rows of one unit in any period that was read."""
        key = (str(catalogue["kpi_id"]), period.start, unit, EMPLOYEE)
        return Reading(catalogue, period, unit, self.values.get(key), self.signals.get(key))

    def shown(self, reading: Reading) -> Figure:
        """A unit's figure as a page with all units may show it."""
        hidden = reading.unit in self.hidden(reading)
        return self.figure(reading.catalogue, reading.value, hidden=hidden)

    def at(self, reading: Reading, period: Period, line: str = EMPLOYEE) -> Row | None:
        """The same unit's row of another period."""
        key = (str(reading.catalogue["kpi_id"]), period.start, reading.unit, line)
        return self.values.get(key)

    def rows_of(self, reading: Reading) -> list[Row]:
        """The same unit's rows of every period that was read."""
        return self._of_unit.get((str(reading.catalogue["kpi_id"]), reading.unit), [])

    def limits(self, reading: Reading) -> Limits | None:
        """The limits in force; None where there are none or they would tell a hidden point."""
        signal = reading.signal
        if signal is None or signal["variation"] in ("too_few_points", "no_data"):
            return None
        if any(signal[name] is None for name in ("mean", "lower_limit", "upper_limit")):
            return None
        since = signal["rebased_on"] or date.min
        past = [
            row
            for row in self.rows_of(reading)
            if since <= row["period_end"] and row["period_start"] <= reading.period.start
        ]
        if any(self.small(row) for row in past):
            return None
        lower, upper = signal["lower_limit"], signal["upper_limit"]
        if signal["basis"] == "level" and reading.catalogue["unit"] != "index_change":
            lower = max(lower, Decimal(0))  # no such value exists beyond; signals do not change
            if reading.catalogue["unit"] == "percent":
                upper = min(upper, Decimal(100))
        return Limits(
            basis=signal["basis"],
            mean=signal["mean"].normalize(),
            lower=lower.normalize(),
            upper=upper.normalize(),
            rebased_on=signal["rebased_on"],
        )

    def series(self, reading: Reading) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """The KPI's points, and the same points on the limits' basis."""
        level: list[Point] = []
        charted: list[Point] = []
        for back in range(SERIES - 1, -1, -1):
            period = reading.period.shift(-back)
            row = self.at(reading, period)
            if row is None and not level:
                continue  # before the first figure there is no gap
            key = (str(reading.catalogue["kpi_id"]), period.start, reading.unit, EMPLOYEE)
            mark = self.signals.get(key)
            shown = row is not None and row["value"] is not None and not self.small(row)
            signal = mark["variation"] if mark is not None and shown else None
            if signal not in ("improving", "concerning"):
                signal = None
            value = row["value"].normalize() if row is not None and shown else None
            moved: Decimal | None = None
            if shown and mark is not None and mark["charted_value"] is not None:
                moved = mark["charted_value"].normalize()
            basis = reading.catalogue["chart_basis"]
            if basis == "level":
                moved = value
            elif self.small(self.at(reading, _compared(period, basis))):
                moved = None  # the change would give the hidden point away
            label = wording.point_label(period)
            level.append(Point(period_id=period.id, label=label, value=plain(value), signal=signal))
            charted.append(
                Point(period_id=period.id, label=label, value=plain(moved), signal=signal)
            )
        return tuple(level), tuple(charted)

    def year_to_date(self, reading: Reading) -> Figure:
        """Sums over the calendar year up to the KPI's period; never an average of rates."""
        catalogue = reading.catalogue
        kpi_id = str(catalogue["kpi_id"])
        if kpi_id not in ADDITIVE_RATES | ADDITIVE_SUMS:
            return wording.no_data("not additive")
        rows = [
            row
            for row in self.rows_of(reading)
            if row["period_start"] <= reading.period.start
            and _year(Period.containing(reading.period.grain, row["period_start"]))
            == _year(reading.period)
        ]
        if any(self.small(row) for row in rows):
            return wording.suppressed()  # else the year less the shown periods gives it away
        known = [row for row in rows if row["value"] is not None]
        if not known:
            return wording.no_data("no figures this year")
        unit, precision = unit_of(catalogue), int(catalogue["precision"])
        if kpi_id in ADDITIVE_SUMS:
            total = sum((row["value"] for row in known), Decimal(0))
            return wording.value_figure(total, unit, precision, self.currency)
        below = sum((row["denominator"] for row in known), Decimal(0))
        if not below:
            return wording.no_data("nobody to count")
        above = sum((row["numerator"] for row in known), Decimal(0))
        return wording.value_figure(100 * above / below, unit, precision, self.currency)

    def mark(self, reading: Reading, now: Figure) -> Mark:
        """The worded mark; of a figure that is not shown it tells nothing but why."""
        if now.state != "value":
            text = {
                "suppressed": "Too few people to show",
                "not_reached": "Not reached",
                "no_data": "No data",
            }[now.state]
            return wording.unmarked(text)
        if not self.judged(reading):
            return wording.unmarked(wording.DATA_BEHIND)
        record, grain = self.target_record(reading), reading.period.grain
        if reading.signal is None:
            return wording.mark("too_few_points", "too_few_points", record=record, grain=grain)
        rules = [rule for rule in str(reading.signal["rules"] or "").split(",") if rule.strip()]
        return wording.mark(
            reading.signal["variation"],
            reading.signal["assurance"],
            [rule.strip() for rule in rules],
            record=record,
            grain=grain,
        )

    def judged(self, reading: Reading) -> bool:
        """Whether the data that a reading counts are complete; earlier periods' are taken to be."""
        kpi_id = str(reading.catalogue["kpi_id"])
        return reading.period != self.period or self.basis.judged(kpi_id)

    def target_record(self, reading: Reading) -> tuple[bool, ...]:
        """Whether each of the last shown figures met the target of its own period."""
        met = []
        for back in range(wording.POINTS_FOR_LIMITS - 1, -1, -1):
            row = self.at(reading, reading.period.shift(-back))
            if row is not None and not self.small(row):
                direction = reading.catalogue["direction"]
                met.append(wording.meets_target(row["value"], row["target"], direction))
        if not met or met[-1] is None:
            return ()
        return tuple(each for each in met if each is not None)

    def caution(self, reading: Reading) -> str | None:
        """A warning where the group that is counted became another one within the series.

        That is so when every month from one on counts far more (or far fewer) than any before it:
        a rate or a median then moves because of who is in it. Only the ratio is told, no count.
        """
        rows = [self.at(reading, reading.period.shift(-back)) for back in range(SERIES)]
        known = [r for r in reversed(rows) if r is not None and r["denominator"]]
        if reading.catalogue["unit"] == "index_change" or any(self.small(row) for row in known):
            return None
        counts = [row["denominator"] for row in known]
        for at in range(1, len(counts)):
            before, after = counts[:at], counts[at:]
            grew = min(after) >= OTHER_GROUP * max(before)
            if not grew and min(before) < OTHER_GROUP * max(after):
                continue
            ratio = wording.number(counts[at] / counts[at - 1], 1)
            when = Period.containing(reading.period.grain, known[at]["period_start"]).label
            return f"{ratio} times as many cases since {when}: compare with care."
        return None

    def of_role(self, role: str) -> list[Row]:
        """Catalogue rows of a role, in the order in which a reader sees them."""
        rows = [row for row in self.marts.kpi_catalogue if row["role"] == role]
        return sorted(rows, key=place_of)

    def hidden(self, reading: Reading) -> frozenset[str]:
        """The units whose figure of this KPI is withheld."""
        kpi_id = str(reading.catalogue["kpi_id"])
        place = (kpi_id, reading.period.start)
        if place in self._hidden:
            return self._hidden[place]
        rows = self._of_period.get(place, {})
        tree = self.tree_of(reading.period)
        people = {unit: self.people(rows.get(unit)) for unit in tree}
        self._hidden[place] = hidden_units(tree, people, self.threshold)
        return self._hidden[place]

    def tree_of(self, period: Period) -> Mapping[str, str | None]:
        """The organisation of another period, where its rows were given."""
        rows = [row for row in self.marts.org_units if row["period_start"] == period.start]
        if period == self.period or not rows:
            return self.tree
        other = {str(row["org_unit_id"]): row["parent_org_unit_id"] for row in rows}
        return {**dict.fromkeys(self.tree), **other}


def place_of(catalogue: Row) -> tuple[int, int, str]:
    kpi_id = str(catalogue["kpi_id"])
    known = READING_ORDER.index(kpi_id) if kpi_id in READING_ORDER else len(READING_ORDER)
    return (int(catalogue["headline_order"] or 99), known, kpi_id)


def key_of(row: Row) -> tuple[str, date, str, str]:
    return (
        str(row["kpi_id"]),
        row["period_start"],
        str(row["org_unit_id"]),
        str(row["employment_line"]),
    )


def unit_of(catalogue: Row) -> Unit:
    return cast(Unit, catalogue["unit"])


def plain(value: Decimal | None) -> Decimal | None:
    """Without the exponent that ``normalize`` gives round numbers (1E+2)."""
    return None if value is None else Decimal(f"{value:f}")


def _compared(period: Period, basis: str) -> Period:
    return period.same_last_year if basis == "same_month_last_year" else period.shift(-1)


def _year(period: Period) -> int:
    """The reporting year; for a week the ISO year."""
    return period.start.isocalendar().year if period.grain is Grain.WEEK else period.start.year


def _is_not_reached(catalogue: Row, row: Row, reason: str) -> bool:
    """A median that at least half have not reached; anything else without value is no data."""
    return "not reached" in reason.lower() or (
        catalogue["unit"] == "days" and not reason and bool(row["denominator"])
    )
