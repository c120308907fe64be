"""The typed scorecard: the one thing every rendering reads.

Figures are final here: rounded, suppressed, worded. A rendering lays them out and computes nothing.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["percent", "days", "count", "per_100", "currency", "weeks", "index_change"]
Variation = Literal["improving", "concerning", "ordinary", "too_few_points", "no_data"]
Assurance = Literal[
    "consistently_met",
    "consistently_missed",
    "hit_and_miss",
    "no_target",
    "too_few_points",
    "no_data",
]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figure(_Frozen):
    """One number as a reader sees it.

    ``state`` tells apart a value, no data (with the reason), a suppressed small group, and
    "not reached" (a median that does not exist yet). ``text`` is always fit to print.
    """

    state: Literal["value", "no_data", "suppressed", "not_reached"]
    value: Decimal | None = None
    text: str
    reason: str | None = None


class Point(_Frozen):
    """One point of a KPI's series; ``value`` None is a gap (no data or suppressed)."""

    period_id: str
    label: str
    value: Decimal | None
    signal: Literal["improving", "concerning"] | None = None


class Limits(_Frozen):
    """Natural process limits (XmR): mean +/- 2.66 mean moving range, on the chart's basis."""

    basis: Literal["level", "net_gain", "same_month_last_year"]
    mean: Decimal
    lower: Decimal
    upper: Decimal
    rebased_on: date | None = None


class Mark(_Frozen):
    """The worded mark: variation and target in one, e.g. 'Improving; target reliably met'."""

    variation: Variation
    assurance: Assurance
    text: str
    tone: Literal["good", "bad", "neutral"]
    rules: tuple[str, ...] = ()


class BesideFigure(_Frozen):
    """A figure that stands beside a headline KPI ('lapsing in the next 60 days')."""

    kpi_id: str
    name: str
    figure: Figure
    definition: str = ""


class Kpi(_Frozen):
    """One KPI of one population (the whole organisation unless said)."""

    kpi_id: str
    name: str
    unit: Unit
    direction: Literal["up", "down", "none"]
    period_label: str = Field(description="which period the figure is of, e.g. 'Q3 2026'")
    now: Figure
    interval_text: str | None = Field(default=None, description="'95 % interval 41 to 55 days'")
    numerator: Figure
    denominator: Figure
    target: Figure
    series: tuple[Point, ...] = Field(description="the KPI itself, up to 13 periods, oldest first")
    charted: tuple[Point, ...] = Field(
        default=(),
        description=(
            "the same periods on the limits' basis: draw limits over these only. Equal to `series` "
            "when the basis is 'level'"
        ),
    )
    limits: Limits | None
    mark: Mark
    owner: str
    finding: str = Field(description="one sentence that states the finding")
    caution: str | None = Field(
        default=None, description="why points of the series are hard to compare, one sentence"
    )
    beside: tuple[BesideFigure, ...] = ()
    same_period_last_year: Figure
    year_to_date: Figure
    definition: str
    numerator_definition: str
    denominator_definition: str
    business_outcome: str
    guardrail: str


class UnitRow(_Frozen):
    """One org unit's line in the unit table, in tree order."""

    org_unit_id: str
    name: str
    depth: int
    headcount: Figure
    figures: dict[str, Figure] = Field(description="headline kpi_id -> figure")
    signals: dict[str, Literal["improving", "concerning"]] = Field(default_factory=dict)


class Decision(_Frozen):
    """A decision asked for: what, options, amount, owner by right, by when, if not taken."""

    decision_id: str
    what: str
    why: str
    options: tuple[str, ...]
    amount: str | None
    owner: str
    owner_role: str
    due_on: date
    if_not_taken: str


class LeadershipItem(_Frozen):
    """One item of the leadership line: 'Weeks with a visible sponsor action', '9 of 13'."""

    kpi_id: str
    name: str
    figure: Figure
    target: Figure | None = None
    series: tuple[Point, ...] = ()


class FeedStatus(_Frozen):
    """Freshness and quality of one feed in the period's close."""

    feed: str
    verdict: Literal["complete", "stale", "missing", "refused", "not_connected"]
    data_as_of: date | None
    rows_accepted: int
    rows_rejected: int
    note: str


class Exclusion(_Frozen):
    """People left out of the population, by reason."""

    reason: str
    people: Figure


class Annotation(_Frozen):
    """An initiative on the charts' time axis."""

    title: str
    kind: str
    starts_on: date
    ends_on: date | None
    period_id: str


class Scorecard(_Frozen):
    """One period's scorecard of one organisation: the input of every page."""

    organisation: str
    ritual: Literal["weekly", "monthly", "quarterly"]
    period_id: str
    period_label: str
    period_start: date
    period_end: date
    data_as_of: date
    stale_note: str | None = Field(description="'activity as of 12 October' when a feed is stale")
    sentence: str = Field(description="what changed and what is asked, one sentence")
    nothing_to_decide: bool
    kpis: tuple[Kpi, ...] = Field(description="the five headline KPIs in the charter's order")
    below: tuple[Kpi, ...] = Field(description="adoption velocity, seat use")
    leadership: tuple[LeadershipItem, ...]
    top_risk: str | None
    decisions: tuple[Decision, ...]
    decisions_done: int | None
    decisions_total: int | None
    units: tuple[UnitRow, ...]
    exclusions: tuple[Exclusion, ...]
    contractors: tuple[BesideFigure, ...] = ()
    feeds: tuple[FeedStatus, ...]
    annotations: tuple[Annotation, ...] = ()
    restatements: tuple[str, ...] = ()
    privacy_threshold: int
    currency: str
    charter_hash: str
    code_version: str
