"""From published rows to the typed scorecard: a pure function, same rows, same scorecard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, cast

from orchestration.periods import Grain, Period
from orchestration.scorecard import (
    early,
    forecast,
    leadership,
    log,
    plan,
    standup,
    strategy,
    wording,
)
from orchestration.scorecard.basis import PeriodBasis
from orchestration.scorecard.candidates import campaigns, decommission, not_asked_yet
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.decisions import Evidence, ask, top_risk
from orchestration.scorecard.figures import (
    CONTRACTOR,
    EMPLOYEE,
    Figures,
    Reading,
    place_of,
    plain,
    unit_of,
)
from orchestration.scorecard.marts import SERIES, Marts, Row
from orchestration.scorecard.model import (
    Annotation,
    BesideFigure,
    Comment,
    Exclusion,
    Figure,
    Kpi,
    LeadershipItem,
    Point,
    Scorecard,
    UnitRow,
)
from orchestration.scorecard.sitting import sitting
from orchestration.scorecard.suppression import hidden_parts, hidden_units
from orchestration.settings import Settings

OF_GROUP = {"leaders_flagship_completed": " (ELT)"}
"""Whom a leadership KPI counts, where another page counts another group."""
NOT_IN_HEADCOUNT = frozenset({"left", "not_yet_hired"})
"""Reasons of people who are nobody's head; the others add up to headcount less the eligible."""


def build_scorecard(
    marts: Marts,
    period: Period,
    basis: PeriodBasis,
    settings: Settings,
    charter: Charter,
) -> Scorecard:
    """The scorecard of one period.

    Args:
        marts: published rows (``load_marts``); rows of later periods are ignored.
        basis: freshness and provenance from the period's close.
        charter: what pages need of the programme charter (``load_charter``).

    Raises:
        Problem: the rows lack what no page can do without (catalogue, organisation).
    """
    builder = _Builder(marts, period, basis, settings)
    return builder.governance.without_names(builder.scorecard(charter))


class _Builder(Figures):
    """The scorecard's own parts, beside what every page needs."""

    def kpi(self, catalogue: Row) -> Kpi:
        """Everything a page says of one KPI of the whole organisation."""
        reading = self.reading(catalogue)
        row, signal = reading.value, reading.signal
        now = self.figure(catalogue, row)
        mark = self.mark(reading, now)
        limits = self.limits(reading) if now.state in ("value", "not_reached") else None
        series, charted = self.series(reading)
        unit, precision = unit_of(catalogue), int(catalogue["precision"])
        interval = None
        if row is not None and now.state in ("value", "not_reached"):
            interval = wording.interval(row["lower"], row["upper"], unit, precision)
        last_year = self.at(reading, reading.period.same_last_year)
        name = str(catalogue["name"])
        caution = self.caution(reading) if now.state == "value" else None
        expected = None
        if mark.variation == "ordinary" and caution is None:
            expected = forecast.year_end(
                now, limits, reading.period, unit=unit, precision=precision, currency=self.currency
            )
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
                behind=not self.judged(reading),
            ),
            caution=caution,
            beside=tuple(self.beside(catalogue)),
            same_period_last_year=self.figure(catalogue, last_year),
            year_to_date=self.year_to_date(reading),
            forecast=expected[0] if expected else None,
            forecast_range=expected[1] if expected else None,
            comment=self.comment(catalogue),
            definition=str(catalogue["definition"] or ""),
            numerator_definition=str(catalogue["numerator_definition"] or ""),
            denominator_definition=str(catalogue["denominator_definition"] or ""),
            business_outcome=str(catalogue["business_outcome"] or ""),
            guardrail=str(catalogue["guardrail"] or ""),
        )

    def comment(self, catalogue: Row) -> Comment | None:
        """What the KPI's owner recorded for the period, of the whole organisation; the newest."""
        rows = [
            row
            for row in self.marts.kpi_comments
            if row["kpi_id"] == catalogue["kpi_id"]
            and self.unit_of_row(row) == self.root
            and row["text"]
        ]
        if not rows:
            return None
        row = max(rows, key=lambda r: (r["recorded_on"], str(r["person_id"]), str(r["text"])))
        role = str(catalogue["owner_role"] or "")
        return Comment(
            text=str(row["text"]),
            by=self.governance.person(row["person_id"], role),
            recorded_on=row["recorded_on"],
        )

    def beside(self, catalogue: Row) -> Iterable[BesideFigure]:
        """The figures that stand beside a KPI: those that name it as their parent."""
        for other in sorted(self.marts.kpi_catalogue, key=place_of):
            if other["parent_kpi_id"] == catalogue["kpi_id"]:
                yield BesideFigure(
                    kpi_id=str(other["kpi_id"]),
                    name=str(other["name"]),
                    figure=self.figure(other, self.reading(other).value),
                    definition=str(other["definition"] or ""),
                )

    # ------------------------------------------------------------------ the rest of the page

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
                    name=f"{catalogue['name']}{OF_GROUP.get(str(catalogue['kpi_id']), '')}",
                    figure=figure,
                    target=self.target(catalogue, row) if row and row["target"] else None,
                    series=self.leadership_series(reading),
                )
            )
        return tuple(items)

    def leadership_series(self, reading: Reading) -> tuple[Point, ...]:
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
                    value=plain(value.normalize() if value is not None else None),
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
        # headcount less those left out are those who count
        rest = int(self.units[self.root]["headcount"] or 0) - sum(inside.values())
        if 0 < rest < self.threshold:
            hidden |= hidden_parts({**inside, "": rest}, self.threshold) - {""}
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

    def scorecard(self, charter: Charter) -> Scorecard:
        headline = self.of_role("headline")
        kpis = tuple(self.kpi(row) for row in headline)
        lower = self.of_role("below")
        own = {row["kpi_id"] for row in lower}
        below = tuple(self.kpi(row) for row in lower if row["parent_kpi_id"] not in own)
        units = self.unit_rows(headline)
        weekly = self.period.grain is Grain.WEEK
        courses = () if weekly else decommission(self, charter)
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
            log=tuple(self.marts.decision_log),
            decommission=not_asked_yet(courses),
            closing=plan.closing(self),
        )
        decisions = ask(evidence)
        done = None if weekly else log.done_of_asked(self)
        warnings = early.warnings(self, charter)
        signals = [k for k in [*kpis, *below] if k.mark.variation in ("concerning", "improving")]
        stand_up = standup.stand_up(self, charter, warnings) if weekly else None
        shown = frozenset(str(each.entry_id) for each in courses if each.asked_on is not None)
        late = any(row["status"] == "overdue" for row in self.marts.decision_log)
        blocked = stand_up is not None and any(
            (stand_up.overdue, stand_up.blockers, stand_up.faults)
        )
        behind = any(k.mark.text == wording.DATA_BEHIND for k in kpis)
        idle = not (signals or decisions or warnings or late or blocked or behind)
        sync = None
        if self.period.grain is Grain.QUARTER:
            kpis = tuple(strategy.forecast_by_months(kpi, self) for kpi in kpis)
            sync = strategy.strategy(self, kpis)
        by_month = [m for m in (strategy.month_of(k, self) for k in kpis) if m] if sync else []
        effect = "" if sync is None else strategy.verdict(self, sync)
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
                signals,
                kpis,
                len(decisions),
                decisions[0].what if decisions else "",
                idle=idle,
                effect=effect,
                monthly=by_month,
                behind=behind,
                asks=not weekly,
            ),
            nothing_to_decide=idle,
            kpis=kpis,
            below=below,
            leadership=self.leadership(),
            top_risk=top_risk(evidence),
            decisions=decisions,
            decisions_done=done[0] if done else None,
            decisions_total=done[1] if done else None,
            units=units,
            exclusions=self.exclusions(),
            contractors=self.contractors(headline),
            feeds=self.basis.feeds,
            annotations=evidence.annotations,
            warnings=warnings,
            log=log.waiting(self) if weekly else log.carried(self, shown),
            candidates=() if weekly else (*courses, *campaigns(self, decisions, kpis)),
            leadership_page=None if weekly else leadership.page(self),
            stand_up=stand_up,
            strategy=sync,
            sitting=sitting(self.period, charter, self.settings),
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


def _by_month(monthly: Sequence[Kpi]) -> str:
    """What the months say where the quarter has too few points: in words, no figure."""
    said = []
    for words, variation in (("concern about", "concerning"), ("improvement in", "improving")):
        names = [wording.lower_first(k.name) for k in monthly if k.mark.variation == variation]
        if names:
            said.append(f"{words} {wording.listed(names)}")
    what = wording.listed(said) or "no clear change in any measure"
    return f"the months up to {monthly[0].period_label} show {what}"


def _sentence(
    signals: list[Kpi],
    headline: tuple[Kpi, ...],
    asked: int,
    first: str,
    *,
    idle: bool,
    effect: str = "",
    monthly: Sequence[Kpi] = (),
    behind: bool = False,
    asks: bool = True,
) -> str:
    """What changed and what is asked, in one sentence.

    A KPI whose group became another one is named only where no other signals: its change may be
    one of who is counted. Where no KPI can be judged yet, silence is no news, and no sitting
    is said to be needless; nor where warnings or overdue entries wait to be talked about.

    Args:
        idle: nothing signals, is asked for, warns or is overdue.
        effect: the verdict on the business outcome, where a quarter has one without limits.
        monthly: the KPIs of a quarter that its months can judge, by their last month.
        behind: data of some measure are not complete, and it is not judged.
        asks: the ritual asks for decisions at all: a stand-up does not.
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
        if behind:
            changed = "No measure whose data is complete shows a clear change"
    elif behind and not (effect or monthly):
        changed = "No measure can be judged: data is behind"
    else:
        changed = "It is too early to judge any measure: none has enough points yet"
        if effect:
            changed = f"{effect}; of the other measures it is too early to judge any"
        if monthly:
            changed = "; ".join(part for part in (effect, _by_month(monthly)) if part)
    changed = f"{changed[:1].upper()}{changed[1:]}"
    if idle and judged:
        return f"{changed}; nothing needs deciding, so the sitting can be skipped."
    if not asks:
        return f"{changed}."
    if asked == 0:
        return f"{changed}; no decision is asked for."
    if asked == 1:
        return f"{changed}; one decision is asked for: {wording.lower_first(first)}."
    return f"{changed}; {wording.counted(asked, 'decision')} are asked for."
