"""From published rows to the typed scorecard: a pure function, same rows, same scorecard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.scorecard import wording
from orchestration.scorecard.basis import PeriodBasis
from orchestration.scorecard.decisions import Evidence, ask, top_risk
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.marts import SERIES, Marts, Row, latest_ended, shown_grain
from orchestration.scorecard.model import (
    Annotation,
    BesideFigure,
    Exclusion,
    Figure,
    Kpi,
    LeadershipItem,
    Limits,
    Mark,
    Point,
    Scorecard,
    Unit,
    UnitRow,
)
from orchestration.scorecard.suppression import depth_first, hidden_parts, hidden_units
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
NOT_IN_HEADCOUNT = frozenset({"left", "not_yet_hired"})
"""Reasons of people who are nobody's head; the others add up to headcount less the eligible."""
OTHER_GROUP = Decimal("1.5")
"""A lasting change of the number counted by this factor makes a series hard to compare."""
ADDITIVE_SUMS = frozenset({"mandatory_short_notice", "idle_seat_cost"})
"""Amounts of a period that add up over the year. Stocks and medians do not."""


def build_scorecard(
    marts: Marts,
    period: Period,
    basis: PeriodBasis,
    settings: Settings,
    *,
    decisions_done: int | None = None,
    decisions_total: int | None = None,
) -> Scorecard:
    """The scorecard of one period.

    Args:
        marts: published rows (``load_marts``); rows of later periods are ignored.
        basis: freshness and provenance from the period's close.
        decisions_done: of the last review's decisions, those done; None when no log exists.

    Raises:
        Problem: the rows lack what no page can do without (catalogue, organisation).
    """
    return _Builder(marts, period, basis, settings).scorecard(decisions_done, decisions_total)


@dataclass(frozen=True)
class _Reading:
    """One KPI's rows on this page: its period and its line of the whole organisation."""

    catalogue: Row
    period: Period
    value: Row | None
    signal: Row | None


class _Builder:
    def __init__(
        self, marts: Marts, period: Period, basis: PeriodBasis, settings: Settings
    ) -> None:
        self.marts = marts
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
        self.order = depth_first(self.tree, self.names)
        if not self.order:
            raise Problem(
                f"no org unit is published for {period.id}.",
                remedy=f"see that the org_units feed has a snapshot no later than {period.end}.",
            )
        self.root = next((u for u in self.order if self.units[u]["depth"] == 0), self.order[0])
        self.order.sort(key=lambda unit: unit != self.root)  # stable: the whole comes first
        self.values = {
            _key(row): row
            for row in [*marts.kpi_values, *marts.coarser_values]
            if row["period_start"] <= period.end
        }
        self.signals: dict[tuple[str, date, str, str], Row] = {}
        for row in [*marts.kpi_signals, *marts.coarser_signals]:
            charted = self.catalogue.get(row["kpi_id"], {}).get("chart_basis")
            if row["period_start"] <= period.end and row["basis"] in (charted, None):
                self.signals[_key(row)] = row
        self.governance = Governance(marts.governance, self.tree)

    # ------------------------------------------------------------------ one figure

    def people(self, row: Row | None) -> int:
        """People a figure stands for; the unit's headcount where the row does not say.

        A value other than zero stands for somebody, whatever was counted.
        """
        if row is None:
            return 0
        known = row.get("people")
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
            row["value"], _unit(catalogue), int(catalogue["precision"]), self.currency
        )

    def part(self, catalogue: Row, row: Row | None, name: str) -> Figure:
        """Numerator or denominator as it is shown.

        A count of people is withheld, too, when those it leaves out are a small group: headcount
        less the count would number the few people on leave.
        """
        if self.small(row):
            return wording.suppressed()
        if row is not None and row["denominator"] == row["people"]:
            headcount = int(self.units[self.root]["headcount"] or 0)
            own = row["period_start"] == self.period.start
            if own and 0 < headcount - self.people(row) < self.threshold:
                return wording.suppressed()
        if row is None or row[name] is None:
            return wording.no_data(None)
        if catalogue["unit"] == "currency" and name == "numerator":
            return wording.value_figure(row[name], "currency", 0, self.currency)
        return wording.plain_figure(row[name])

    def target(self, catalogue: Row, row: Row | None) -> Figure:
        """The target in force for the period."""
        if row is None or row["target"] is None:
            return wording.no_data("no target set", wording.NO_TARGET)
        return wording.value_figure(
            row["target"], _unit(catalogue), int(catalogue["precision"]), self.currency
        )

    # ------------------------------------------------------------------ one KPI

    def reading(self, catalogue: Row, *, latest: bool = True) -> _Reading:
        """The KPI's period and rows: this period, or the latest published coarser one."""
        kpi_id = str(catalogue["kpi_id"])
        grain = shown_grain(catalogue, self.period.grain)
        if grain is None or grain is self.period.grain:
            period = self.period
        else:
            period = latest_ended(grain, self.period)
            known = [
                key[1]
                for key in self.values
                if key[0] == kpi_id and key[2] == self.root and key[1] <= period.start
            ]
            if known:
                period = Period.containing(grain, max(known))
        key = (kpi_id, period.start, self.root, EMPLOYEE)
        return _Reading(catalogue, period, self.values.get(key), self.signals.get(key))

    def at(self, reading: _Reading, period: Period, line: str = EMPLOYEE) -> Row | None:
        """The whole organisation's row of another period."""
        key = (str(reading.catalogue["kpi_id"]), period.start, self.root, line)
        return self.values.get(key)

    def limits(self, reading: _Reading) -> Limits | None:
        """The limits in force; None where there are none or they would tell a hidden point."""
        signal = reading.signal
        if signal is None or signal["variation"] in ("too_few_points", "no_data"):
            return None
        if any(signal[name] is None for name in ("mean", "lower_limit", "upper_limit")):
            return None
        since = signal["rebased_on"] or date.min
        kpi_id = reading.catalogue["kpi_id"]
        past = [
            row
            for key, row in self.values.items()
            if key[0] == kpi_id and key[2] == self.root and key[3] == EMPLOYEE
            if since <= row["period_end"] and key[1] <= reading.period.start
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

    def series(self, reading: _Reading) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        """The KPI's points, and the same points on the limits' basis."""
        level: list[Point] = []
        charted: list[Point] = []
        for back in range(SERIES - 1, -1, -1):
            period = reading.period.shift(-back)
            row = self.at(reading, period)
            if row is None and not level:
                continue  # before the first figure there is no gap
            key = (str(reading.catalogue["kpi_id"]), period.start, self.root, EMPLOYEE)
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
            level.append(
                Point(period_id=period.id, label=label, value=_plain(value), signal=signal)
            )
            charted.append(
                Point(period_id=period.id, label=label, value=_plain(moved), signal=signal)
            )
        return tuple(level), tuple(charted)

    def year_to_date(self, reading: _Reading) -> Figure:
        """Sums over the calendar year up to the KPI's period; never an average of rates."""
        catalogue = reading.catalogue
        kpi_id = str(catalogue["kpi_id"])
        if kpi_id not in ADDITIVE_RATES | ADDITIVE_SUMS:
            return wording.no_data("not additive")
        rows = [
            row
            for key, row in self.values.items()
            if key[0] == kpi_id and key[2] == self.root and key[3] == EMPLOYEE
            if _year(Period.containing(reading.period.grain, key[1])) == _year(reading.period)
            and key[1] <= reading.period.start
        ]
        if any(self.small(row) for row in rows):
            return wording.suppressed()  # else the year less the shown periods gives it away
        known = [row for row in rows if row["value"] is not None]
        if not known:
            return wording.no_data("no figures this year")
        unit, precision = _unit(catalogue), int(catalogue["precision"])
        if kpi_id in ADDITIVE_SUMS:
            total = sum((row["value"] for row in known), Decimal(0))
            return wording.value_figure(total, unit, precision, self.currency)
        below = sum((row["denominator"] for row in known), Decimal(0))
        if not below:
            return wording.no_data("nobody to count")
        above = sum((row["numerator"] for row in known), Decimal(0))
        return wording.value_figure(100 * above / below, unit, precision, self.currency)

    def mark(self, reading: _Reading, now: Figure) -> Mark:
        """The worded mark; of a figure that is not shown it tells nothing but why."""
        if now.state != "value":
            text = {
                "suppressed": "Too few people to show",
                "not_reached": "Not reached",
                "no_data": "No data",
            }[now.state]
            return wording.unmarked(text)
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

    def target_record(self, reading: _Reading) -> tuple[bool, ...]:
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

    def caution(self, reading: _Reading) -> str | None:
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

    def kpi(self, catalogue: Row) -> Kpi:
        """Everything a page says of one KPI of the whole organisation."""
        reading = self.reading(catalogue)
        row, signal = reading.value, reading.signal
        now = self.figure(catalogue, row)
        mark = self.mark(reading, now)
        limits = self.limits(reading) if now.state in ("value", "not_reached") else None
        series, charted = self.series(reading)
        unit, precision = _unit(catalogue), int(catalogue["precision"])
        interval = None
        if row is not None and now.state in ("value", "not_reached"):
            interval = wording.interval(row["lower"], row["upper"], unit, precision)
        last_year = self.at(reading, reading.period.same_last_year)
        name = str(catalogue["name"])
        return Kpi(
            kpi_id=str(catalogue["kpi_id"]),
            name=name,
            unit=unit,
            direction=catalogue["direction"],
            period_label=reading.period.label,
            now=now,
            interval_text=interval,
            numerator=self.part(catalogue, row, "numerator"),
            denominator=self.part(catalogue, row, "denominator"),
            target=self.target(catalogue, row),
            series=series,
            charted=charted,
            limits=limits,
            mark=mark,
            owner=self.governance.owner(str(catalogue["owner_role"] or ""), self.root),
            finding=wording.finding(
                name,
                now,
                reading.period.label,
                mark.variation,
                points=int(signal["points"])
                if signal
                else sum(p.value is not None for p in series),
                charted=[point.value for point in charted],
                limits=limits,
                direction=catalogue["direction"],
                unit=unit,
                precision=precision,
                currency=self.currency,
                grain=reading.period.grain,
                rules=mark.rules,
            ),
            caution=self.caution(reading) if now.state == "value" else None,
            beside=tuple(self.beside(catalogue)),
            same_period_last_year=self.figure(catalogue, last_year),
            year_to_date=self.year_to_date(reading),
            definition=str(catalogue["definition"] or ""),
            numerator_definition=str(catalogue["numerator_definition"] or ""),
            denominator_definition=str(catalogue["denominator_definition"] or ""),
            business_outcome=str(catalogue["business_outcome"] or ""),
            guardrail=str(catalogue["guardrail"] or ""),
        )

    def beside(self, catalogue: Row) -> Iterable[BesideFigure]:
        """The figures that stand beside a KPI: those that name it as their parent."""
        for other in sorted(self.marts.kpi_catalogue, key=_place):
            if other["parent_kpi_id"] == catalogue["kpi_id"]:
                yield BesideFigure(
                    kpi_id=str(other["kpi_id"]),
                    name=str(other["name"]),
                    figure=self.figure(other, self.reading(other).value),
                    definition=str(other["definition"] or ""),
                )

    # ------------------------------------------------------------------ the rest of the page

    def of_role(self, role: str) -> list[Row]:
        """Catalogue rows of a role, in the order in which a reader sees them."""
        rows = [row for row in self.marts.kpi_catalogue if row["role"] == role]
        return sorted(rows, key=_place)

    def hidden(self, reading: _Reading) -> frozenset[str]:
        """The units whose figure of this KPI is withheld."""
        kpi_id = str(reading.catalogue["kpi_id"])
        rows = {
            key[2]: row
            for key, row in self.values.items()
            if key[0] == kpi_id and key[1] == reading.period.start and key[3] == EMPLOYEE
        }
        tree = self.tree_of(reading.period)
        people = {unit: self.people(rows.get(unit)) for unit in tree}
        return hidden_units(tree, people, self.threshold)

    def tree_of(self, period: Period) -> Mapping[str, str | None]:
        """The organisation of another period, where its rows were given."""
        rows = [row for row in self.marts.org_units if row["period_start"] == period.start]
        if period == self.period or not rows:
            return self.tree
        other = {str(row["org_unit_id"]): row["parent_org_unit_id"] for row in rows}
        return {**dict.fromkeys(self.tree), **other}

    def unit_rows(self, headline: list[Row]) -> tuple[UnitRow, ...]:
        """The org units in tree order, with single points beyond their limits (rule 1)."""
        readings = [self.reading(row) for row in headline]
        hidden = [self.hidden(reading) for reading in readings]
        headcounts = {unit: int(row["headcount"] or 0) for unit, row in self.units.items()}
        few = hidden_units(self.tree, headcounts, self.threshold)
        rows = []
        depth: dict[str, int] = {}
        for unit in self.order:
            parent = self.tree[unit]
            depth[unit] = depth[parent] + 1 if parent in depth and unit != self.root else 0
            figures: dict[str, Figure] = {}
            signals: dict[str, Any] = {}
            for reading, withheld in zip(readings, hidden, strict=True):
                kpi_id = str(reading.catalogue["kpi_id"])
                key = (kpi_id, reading.period.start, unit, EMPLOYEE)
                figure = self.figure(
                    reading.catalogue, self.values.get(key), hidden=unit in withheld
                )
                figures[kpi_id] = figure
                signal = self.signals.get(key)
                if (
                    figure.state == "value"
                    and signal is not None
                    and signal["variation"] in ("improving", "concerning")
                ):
                    signals[kpi_id] = signal["variation"]
            headcount = wording.plain_figure(Decimal(headcounts[unit]))
            rows.append(
                UnitRow(
                    org_unit_id=unit,
                    name=self.names[unit],
                    depth=depth[unit],
                    headcount=wording.suppressed() if unit in few else headcount,
                    figures=figures,
                    signals=signals,
                )
            )
        return tuple(rows)

    def leadership(self) -> tuple[LeadershipItem, ...]:
        """The leadership line: of leaders in their role, so never suppressed; never 'absent'."""
        items = []
        for catalogue in self.of_role("leadership"):
            reading = self.reading(catalogue)
            row = reading.value
            if row is None or row["value"] is None:
                # never why not: 'on leave throughout' would tell of a person
                reason = str((row or {}).get("no_data_reason") or "")
                named = reason if reason.endswith("named") else None
                figure = wording.no_data(named, wording.NO_RECORD)
            elif row["numerator"] is not None and row["denominator"]:
                figure = wording.n_of_total(row["numerator"], row["denominator"])
            else:
                figure = self.figure(catalogue, row, hidden=False)
            items.append(
                LeadershipItem(
                    kpi_id=str(catalogue["kpi_id"]),
                    name=str(catalogue["name"]),
                    figure=figure,
                    target=self.target(catalogue, row) if row and row["target"] else None,
                    series=self.leadership_series(reading),
                )
            )
        return tuple(items)

    def leadership_series(self, reading: _Reading) -> tuple[Point, ...]:
        points: list[Point] = []
        for back in range(SERIES - 1, -1, -1):
            period = reading.period.shift(-back)
            row = self.at(reading, period)
            if row is None and not points:
                continue
            value = row["value"] if row is not None else None
            points.append(
                Point(
                    period_id=period.id,
                    label=wording.point_label(period),
                    value=_plain(value.normalize() if value is not None else None),
                )
            )
        return tuple(points)

    def exclusions(self) -> tuple[Exclusion, ...]:
        """Employees left out of the population, by reason, largest first."""
        counts: dict[str, int] = {}
        for row in self.marts.exclusions:
            if (
                row["period_start"] == self.period.start
                and row["org_unit_id"] == self.root
                and row["employment_line"] == EMPLOYEE
                and row["reason"]
                and row["people"]
            ):
                reason = str(row["reason"])
                counts[reason] = counts.get(reason, 0) + int(row["people"])
        inside = {reason: n for reason, n in counts.items() if reason not in NOT_IN_HEADCOUNT}
        hidden = hidden_parts(inside, self.threshold) | {
            reason for reason, n in counts.items() if n < self.threshold
        }
        shown = sorted(set(counts) - hidden, key=lambda r: (-counts[r], r))
        return tuple(
            Exclusion(
                reason=wording.left_out(reason),
                people=wording.suppressed()
                if reason in hidden
                else wording.plain_figure(Decimal(counts[reason])),
            )
            for reason in [*shown, *sorted(hidden)]
        )

    def contractors(self, headline: list[Row]) -> tuple[BesideFigure, ...]:
        """The contractors' own line of each headline KPI that has one."""
        found = []
        for catalogue in headline:
            reading = self.reading(catalogue)
            row = self.at(reading, reading.period, CONTRACTOR)
            if row is not None:
                found.append(
                    BesideFigure(
                        kpi_id=str(catalogue["kpi_id"]),
                        name=str(catalogue["name"]),
                        figure=self.figure(catalogue, row),
                    )
                )
        return tuple(found)

    def annotations(self) -> tuple[Annotation, ...]:
        """Initiatives of the periods on the charts, at the period they start (or the first)."""
        first = self.period.shift(1 - SERIES)
        found = []
        for row in self.marts.initiatives:
            starts, ends = row["starts_on"], row["ends_on"]
            if starts is None or starts > self.period.end:
                continue
            if ends is not None and ends < first.start:
                continue
            at = Period.containing(self.period.grain, max(starts, first.start))
            found.append(
                Annotation(
                    title=str(row["title"] or row["kind"] or row["initiative_id"]),
                    kind=str(row["kind"] or "other").replace("_", " "),
                    starts_on=starts,
                    ends_on=ends,
                    period_id=at.id,
                )
            )
        return tuple(sorted(found, key=lambda a: (a.starts_on, a.kind, a.title)))

    def scorecard(self, decisions_done: int | None, decisions_total: int | None) -> Scorecard:
        headline = self.of_role("headline")
        kpis = tuple(self.kpi(row) for row in headline)
        lower = self.of_role("below")
        own = {row["kpi_id"] for row in lower}
        below = tuple(self.kpi(row) for row in lower if row["parent_kpi_id"] not in own)
        units = self.unit_rows(headline)
        evidence = Evidence(
            period=self.period,
            kpis=kpis,
            below=below,
            units=units,
            basis=self.basis,
            rights=tuple(self.marts.decision_rights),
            governance=self.governance,
            settings=self.settings,
            annotations=self.annotations(),
        )
        decisions = ask(evidence)
        signals = [k for k in [*kpis, *below] if k.mark.variation in ("concerning", "improving")]
        return Scorecard(
            organisation=self.settings.organisation.name,
            ritual=cast(Any, self.period.grain.ritual),
            period_id=self.period.id,
            period_label=self.period.label,
            period_start=self.period.start,
            period_end=self.period.end,
            data_as_of=self.basis.data_as_of,
            stale_note=self.basis.stale_note,
            sentence=_sentence(
                signals, kpis, len(decisions), decisions[0].what if decisions else ""
            ),
            nothing_to_decide=not signals and not decisions,
            kpis=kpis,
            below=below,
            leadership=self.leadership(),
            top_risk=top_risk(evidence),
            decisions=decisions,
            decisions_done=decisions_done,
            decisions_total=decisions_total,
            units=units,
            exclusions=self.exclusions(),
            contractors=self.contractors(headline),
            feeds=self.basis.feeds,
            annotations=evidence.annotations,
            privacy_threshold=self.threshold,
            currency=self.currency,
            charter_hash=self.basis.charter_hash,
            code_version=self.basis.code_version,
        )


def movement(kpi: Kpi) -> str:
    """A KPI's signal in a few words, for a sentence that names it among others."""
    return wording.movement(
        kpi.name,
        kpi.now,
        kpi.period_label,
        [point.value for point in kpi.charted],
        kpi.limits,
        variation=kpi.mark.variation,
        direction=kpi.direction,
        grain=Period.parse(kpi.series[-1].period_id).grain if kpi.series else Grain.MONTH,
        rules=kpi.mark.rules,
    )


def _sentence(signals: list[Kpi], headline: tuple[Kpi, ...], asked: int, first: str) -> str:
    """What changed and what is asked, in one sentence.

    A KPI whose group became another one is named only where no other signals: its change may be
    one of who is counted. Where no KPI can be judged yet, silence is no news, and no sitting
    is said to be needless.
    """
    judged = any(kpi.mark.variation == "ordinary" for kpi in headline)
    if signals:
        named = [kpi for kpi in signals if kpi.caution is None] or signals
        lead = min(named, key=lambda k: k.mark.variation != "concerning")
        changed = movement(lead)
        others = []
        for noun, variation in (("concern about", "concerning"), ("improvement in", "improving")):
            names = [
                wording.lower_first(kpi.name)
                for kpi in named
                if kpi is not lead and kpi.mark.variation == variation
            ]
            if names:
                others.append(f"{noun} {wording.listed(names)}")
        if others:
            changed += f", alongside {wording.listed(others)}"
    elif judged:
        changed = "No measure shows a clear change"
    else:
        changed = "It is too early to judge any measure: none has enough points yet"
    if asked == 0 and not signals and judged:
        return f"{changed}; nothing needs deciding, so the sitting can be skipped."
    if asked == 0:
        return f"{changed}; no decision is asked for."
    if asked == 1:
        return f"{changed}; one decision is asked for: {wording.lower_first(first)}."
    return f"{changed}; {wording.counted(asked, 'decision')} are asked for."


def _place(catalogue: Row) -> tuple[int, int, str]:
    kpi_id = str(catalogue["kpi_id"])
    known = READING_ORDER.index(kpi_id) if kpi_id in READING_ORDER else len(READING_ORDER)
    return (int(catalogue["headline_order"] or 99), known, kpi_id)


def _key(row: Row) -> tuple[str, date, str, str]:
    return (
        str(row["kpi_id"]),
        row["period_start"],
        str(row["org_unit_id"]),
        str(row["employment_line"]),
    )


def _unit(catalogue: Row) -> Unit:
    return cast(Unit, catalogue["unit"])


def _plain(value: Decimal | None) -> Decimal | None:
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
