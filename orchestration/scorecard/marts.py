"""The published figures that one scorecard is made from, as plain rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.warehouse.published import read_published

Row = dict[str, Any]

HISTORY = {Grain.WEEK: 53, Grain.MONTH: 25, Grain.QUARTER: 25}
"""Periods of values read, this one included: two years, or for weeks the year to date."""
SERIES = 13
"""Periods on a chart, this one included."""


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

    ``coarser_values`` and ``coarser_signals`` hold the KPIs that do not exist at this grain, at
    the next coarser grain that has them (for a month: the quarterly KPIs), of periods that ended
    no later than this one. ``org_units`` holds this period's units and those of the newest coarser
    period. ``outcomes`` and ``month_signals`` are read for a quarter only: the history of the
    business outcomes, and the signals of the quarter's own months. ``executives`` has a row for
    each member of the executive leadership team. A model that an older build did not publish has
    no rows.
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


def load_marts(lake: Lake, period: Period) -> Marts:
    """Read what the scorecard of ``period`` needs from the published figures in force."""
    grain = period.grain

    def of_period(model: str) -> list[Row]:
        return read_published(lake, grain, f"{model}__{grain}", period_ids={period.id})

    catalogue = of_period("kpi_catalogue")
    coarser: dict[Grain, set[str]] = {}
    for row in catalogue:
        shown = shown_grain(row, grain)
        if shown is not None and shown is not grain:
            coarser.setdefault(shown, set()).add(str(row["kpi_id"]))
    coarser_values: list[Row] = []
    coarser_signals: list[Row] = []
    org_units = of_period("org_units")
    for other in sorted(coarser):
        last = latest_ended(other, period)
        kpis = coarser[other]
        values = _of(kpis, _history(lake, "kpi_values", last, HISTORY[other]))
        coarser_values += values
        coarser_signals += _of(kpis, _history(lake, "kpi_signals", last, SERIES))
        if values:
            newest = Period.containing(other, max(row["period_start"] for row in values))
            org_units += read_published(lake, other, f"org_units__{other}", period_ids={newest.id})
    quarterly = grain is Grain.QUARTER
    months = {Period.containing(Grain.MONTH, period.end).shift(-back).id for back in range(3)}
    return Marts(
        kpi_values=_history(lake, "kpi_values", period, HISTORY[grain]),
        kpi_signals=_history(lake, "kpi_signals", period, SERIES),
        coarser_values=coarser_values,
        coarser_signals=coarser_signals,
        org_units=org_units,
        exclusions=of_period("exclusions"),
        governance=of_period("governance"),
        initiatives=of_period("initiatives"),
        kpi_catalogue=catalogue,
        decision_rights=of_period("decision_rights"),
        outcomes=_history(lake, "fct_outcomes", period, HISTORY[grain]) if quarterly else [],
        month_signals=read_published(
            lake, Grain.MONTH, f"kpi_signals__{Grain.MONTH}", period_ids=months
        )
        if quarterly
        else [],
        executives=of_period("fct_leaders_flagship"),
        **{model: of_period(model) for model, at in GOVERNANCE_MODELS.items() if grain in at},
    )


def latest_ended(grain: Grain, period: Period) -> Period:
    """The last period of ``grain`` that ends no later than ``period``."""
    last = Period.containing(grain, period.end)
    return last if last.end <= period.end else last.shift(-1)


def _history(lake: Lake, model: str, last: Period, count: int) -> list[Row]:
    ids = {last.shift(-back).id for back in range(count)}
    return read_published(lake, last.grain, f"{model}__{last.grain}", period_ids=ids)


def _of(kpis: set[str], rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["kpi_id"] in kpis]
