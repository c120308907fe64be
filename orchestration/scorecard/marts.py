"""The published figures that one scorecard is made from, as plain rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from orchestration.lake import quoted
from orchestration.periods import Grain, Period
from orchestration.scorecard.suppression import depth_first
from orchestration.warehouse.published import PublishedRows, published_builds

Row = dict[str, Any]

HISTORY = {Grain.WEEK: 53, Grain.MONTH: 25, Grain.QUARTER: 25}
"""Periods of values read, this one included: two years, or for weeks the year to date."""
SERIES = 13
"""Periods on a chart, this one included."""
VOLUNTARY = "active_learner_rate"
"""The KPI by which adoption is judged, also in a unit and after its plan has ended."""

GOVERNANCE_MODELS: dict[str, tuple[Grain, ...]] = {
    "decision_log": tuple(Grain),
    "named_leaders": tuple(Grain),
    "leader_indices": (Grain.MONTH, Grain.QUARTER),
    "leader_plan": tuple(Grain),
    "leader_actions": tuple(Grain),
    "message_cascade": tuple(Grain),
    "governance_faults": tuple(Grain),
    "early_warnings": tuple(Grain),
    "early_warning_evidence": tuple(Grain),
    "stalled_enrolments": (Grain.WEEK,),
    "course_rises": (Grain.WEEK,),
    "leader_completions": (Grain.WEEK,),
    "decommission_candidates": (Grain.MONTH, Grain.QUARTER),
    "kpi_comments": (Grain.MONTH, Grain.QUARTER),
    "change_split": (Grain.QUARTER,),
}
"""Models read for the period itself, and the grains at which they exist."""


@dataclass(frozen=True)
class Marts:
    """Rows of the published models (their columns are the warehouse's contract).

    ``kpi_values`` and ``kpi_signals`` hold every row of the period itself; of the periods before
    it the whole organisation's, and those of units that a leader's own page looks at.
    ``coarser_values`` and ``coarser_signals`` hold the KPIs that do not exist at this grain, at
    the next coarser grain that has them (for a month: the quarterly KPIs), of periods that ended
    no later than this one: every row of the newest, and of earlier ones as above. ``org_units``
    holds this period's units and those of the newest coarser period. ``outcomes`` and
    ``month_signals`` are read for a quarter only: the history of the business outcomes, and the
    signals of the quarter's own months, as far as a page of earlier periods shows them.
    ``executives`` has a row for each member of the executive leadership team. A model that an older
    build did not publish has no rows.
    """

    kpi_values: list[Row] = field(default_factory=list)
    kpi_signals: list[Row] = field(default_factory=list)
    coarser_values: list[Row] = field(default_factory=list)
    coarser_signals: list[Row] = field(default_factory=list)
    org_units: list[Row] = field(default_factory=list)
    exclusions: list[Row] = field(default_factory=list)
    governance: list[Row] = field(default_factory=list)
    initiatives: list[Row] = field(default_factory=list)
    kpi_catalogue: list[Row] = field(default_factory=list)
    decision_rights: list[Row] = field(default_factory=list)
    decision_log: list[Row] = field(default_factory=list)
    named_leaders: list[Row] = field(default_factory=list)
    leader_indices: list[Row] = field(default_factory=list)
    leader_plan: list[Row] = field(default_factory=list)
    leader_actions: list[Row] = field(default_factory=list)
    message_cascade: list[Row] = field(default_factory=list)
    governance_faults: list[Row] = field(default_factory=list)
    early_warnings: list[Row] = field(default_factory=list)
    early_warning_evidence: list[Row] = field(default_factory=list)
    stalled_enrolments: list[Row] = field(default_factory=list)
    course_rises: list[Row] = field(default_factory=list)
    leader_completions: list[Row] = field(default_factory=list)
    decommission_candidates: list[Row] = field(default_factory=list)
    kpi_comments: list[Row] = field(default_factory=list)
    change_split: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    month_signals: list[Row] = field(default_factory=list)
    executives: list[Row] = field(default_factory=list)


def grains_of(catalogue_row: Row) -> tuple[Grain, ...]:
    """The grains at which a KPI exists, finest first."""
    named = {part.strip() for part in str(catalogue_row["grains"]).split("|")}
    return tuple(grain for grain in Grain if grain.value in named)


def shown_grain(catalogue_row: Row, grain: Grain) -> Grain | None:
    """The grain a KPI has on a page of ``grain``: its own, else the next coarser one it has."""
    order = list(Grain)
    return next((g for g in grains_of(catalogue_row) if order.index(g) >= order.index(grain)), None)


def tree_order(units: Iterable[Row]) -> list[str]:
    """The units of one period in tree order; the whole organisation comes first."""
    rows = {str(row["org_unit_id"]): row for row in units}
    order = depth_first(
        {unit: row["parent_org_unit_id"] for unit, row in rows.items()},
        {unit: str(row["name"] or unit) for unit, row in rows.items()},
    )
    whole = next((unit for unit in order if rows[unit]["depth"] == 0), None)
    return sorted(order, key=lambda unit: unit != whole)  # stable


def load_marts(published: PublishedRows, period: Period) -> Marts:
    """Read what the scorecard of ``period`` needs from the published figures in force."""
    grain = period.grain
    in_force = {each: published_builds(published.lake, each) for each in Grain}

    def read(of: Grain, model: str, ids: Collection[str], condition: str = "true") -> list[Row]:
        builds = {name: build for name, build in in_force[of].items() if name in ids}
        return published.read(of, model, builds, condition)

    def of_period(model: str) -> list[Row]:
        return read(grain, model, {period.id})

    def history(model: str, last: Period, count: int, condition: str = "true") -> list[Row]:
        return read(last.grain, model, {last.shift(-back).id for back in range(count)}, condition)

    catalogue, org_units = of_period("kpi_catalogue"), of_period("org_units")
    whole = next(iter(tree_order(org_units)), "")
    earlier = _of_earlier(whole, catalogue, grain)
    own = f"period_start = DATE '{period.start}' OR {earlier}"
    coarser: dict[Grain, set[str]] = {}
    for row in catalogue:
        shown = shown_grain(row, grain)
        if shown is not None and shown is not grain:
            coarser.setdefault(shown, set()).add(str(row["kpi_id"]))
    coarser_values: list[Row] = []
    coarser_signals: list[Row] = []
    for other in sorted(coarser):
        last = latest_ended(other, period)
        condition = f"{_is_one_of(coarser[other])} AND ({_of_newest(whole)} OR {earlier})"
        values = history("kpi_values", last, HISTORY[other], condition)
        coarser_values += values
        coarser_signals += history("kpi_signals", last, SERIES, condition)
        if values:
            newest = Period.containing(other, max(row["period_start"] for row in values))
            org_units += read(other, "org_units", {newest.id})
    quarterly = grain is Grain.QUARTER
    months = {Period.containing(Grain.MONTH, period.end).shift(-back).id for back in range(3)}
    return Marts(
        kpi_values=history("kpi_values", period, HISTORY[grain], own),
        kpi_signals=history("kpi_signals", period, SERIES, own),
        coarser_values=coarser_values,
        coarser_signals=coarser_signals,
        org_units=org_units,
        exclusions=of_period("exclusions"),
        governance=of_period("governance"),
        initiatives=of_period("initiatives"),
        kpi_catalogue=catalogue,
        decision_rights=of_period("decision_rights"),
        outcomes=history("fct_outcomes", period, HISTORY[grain]) if quarterly else [],
        month_signals=read(Grain.MONTH, "kpi_signals", months, earlier) if quarterly else [],
        executives=of_period("fct_leaders_flagship"),
        **{model: of_period(model) for model, at in GOVERNANCE_MODELS.items() if grain in at},
    )


def _of_earlier(whole: str, catalogue: Iterable[Row], grain: Grain) -> str:
    """SQL condition: what a page of ``grain`` shows of earlier periods.

    That is the whole organisation's. Leaders' own pages hold a figure of their unit against its
    target of earlier periods, and adoption against that of a plan's end; a week has no such page.
    """
    if grain is Grain.WEEK:
        return f"org_unit_id = {quoted(whole)}"
    of_units = {str(row["kpi_id"]) for row in catalogue if row["role"] == "headline"} | {VOLUNTARY}
    return (
        f"org_unit_id = {quoted(whole)} "
        f"OR (employment_line = 'employee' AND {_is_one_of(of_units)})"
    )


def _of_newest(whole: str) -> str:
    """SQL condition: of each KPI the newest period that the whole organisation has it in."""
    return (
        "period_start >= coalesce((SELECT max(its.period_start) FROM published AS its "
        f"WHERE its.kpi_id = published.kpi_id AND its.org_unit_id = {quoted(whole)}), "
        "DATE '-infinity')"
    )


def _is_one_of(kpis: Iterable[str]) -> str:
    return f"kpi_id IN ({', '.join(quoted(kpi) for kpi in sorted(kpis))})"


def latest_ended(grain: Grain, period: Period) -> Period:
    """The last period of ``grain`` that ends no later than ``period``."""
    last = Period.containing(grain, period.end)
    return last if last.end <= period.end else last.shift(-1)
