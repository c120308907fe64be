"""The typed scorecard: the one thing every rendering reads.

Figures are final here: rounded, suppressed, worded. A rendering lays them out and computes nothing.
"""

from __future__ import annotations

from datetime import date, datetime
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


class Comment(_Frozen):
    """What a KPI's owner says of it, recorded before publication."""

    text: str
    by: str
    recorded_on: date


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
    forecast: Figure | None = Field(
        default=None, description="at the year's end, if the process runs on as it does now"
    )
    forecast_range: str | None = Field(default=None, description="'36.1 to 41.4 %'")
    comment: Comment | None = None
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
    right_id: str | None = Field(default=None, description="row of decision_rights; never printed")
    org_unit_id: str | None = Field(default=None, description="None = the whole; never printed")
    owner_person_id: str | None = Field(
        default=None, description="the one person who decides, where it is one; never printed"
    )
    owner_role_id: str | None = Field(default=None, description="role as the charter writes it")
    covers: tuple[str, ...] = Field(
        default=(),
        description="candidates it decides together: the log takes them one by one; never printed",
    )


class LeadershipItem(_Frozen):
    """One item of the leadership line: 'Weeks with a visible sponsor action', '9 of 13'."""

    kpi_id: str
    name: str
    figure: Figure
    target: Figure | None = None
    series: tuple[Point, ...] = ()


class LogEntry(_Frozen):
    """One entry of the decision and action log as it stood at the period's end.

    ``waiting_days`` counts from the day it was asked for to the day it was decided or done, or to
    the period's end.
    """

    entry_id: str
    kind: Literal["decision", "action", "commitment"]
    title: str
    unit: str | None
    owner: str
    asked_on: date
    due_on: date | None = Field(description="the first due date, whatever was agreed later")
    status: Literal["open", "overdue", "decided", "done", "withdrawn"]
    status_text: str = Field(description="'decided on 12 October', 'overdue by 6 days'")
    waiting_days: int
    outcome: str | None = None
    note: str | None = Field(default=None, description="'decided without the right to'")
    took_effect_on: date | None = Field(
        default=None, description="the due date that passed without an answer, where silence agrees"
    )


class Candidate(_Frozen):
    """A course to decommission (or to review), or a campaign to run, with the evidence.

    One that an earlier publication asked for keeps that due date; ``status_text`` then says how
    long it has waited.
    """

    kind: Literal["decommission", "campaign"]
    what: str
    evidence: tuple[str, ...]
    owner: str
    due_on: date
    silence: str = Field(description="what no answer in time means")
    asked_on: date | None = Field(default=None, description="where it stands in the log already")
    status_text: str | None = Field(
        default=None, description="'asked 25 days ago; open, due on 16 November 2026'"
    )
    title: str | None = Field(default=None, description="as the log has it; never printed")
    entry_id: str | None = Field(
        default=None, description="of its entry in the log; None = not entered; never printed"
    )
    right_id: str | None = Field(
        default=None, description="row of decision_rights; None = an action; never printed"
    )
    owner_person_id: str | None = Field(default=None, description="never printed")
    owner_role_id: str | None = Field(default=None, description="role as the charter writes it")


class EarlyWarning(_Frozen):
    """An early warning: what set it off, since when, and what is done about it.

    Where its action stands in the log already, owner and due date are the log's, and
    ``status_text`` says how it stands; a new one falls due some working days after the sitting.
    """

    warning_id: str
    pain_point: str
    unit: str
    finding: str
    since: date
    evidence: tuple[str, ...]
    countermeasure: str
    owner: str
    due_on: date
    asked_on: date | None = Field(
        default=None, description="where its action is in the log already"
    )
    overdue: bool = False
    status_text: str | None = Field(
        default=None, description="'asked 12 days ago; overdue by 3 days', None for a new one"
    )
    entry_id: str | None = Field(
        default=None, description="of its action in the log; never printed"
    )
    org_unit_id: str | None = Field(default=None, description="never printed")
    owner_role_id: str | None = Field(default=None, description="role as the charter writes it")


class PlanItem(_Frozen):
    """One action of the 90-day leader engagement plan."""

    day: int
    due_on: date
    phase: str
    action: str
    owner: str
    status: Literal["done", "due", "overdue", "not_yet"]
    evidence: str | None = Field(default=None, description="'Town hall, 14 October 2026'")


class PlanProgress(_Frozen):
    """Where one unit's plan stands: day N of 90 and the share of what was due that is done."""

    unit: str
    leader: str
    launch_on: date
    day: int
    on_track: Figure
    done: int
    due_by_now: int
    items: tuple[PlanItem, ...]
    asks_for: str | None = Field(default=None, description="at day 90: scale, adjust or stop")
    held: str | None = Field(default=None, description="adoption at days 120 and 180, one sentence")


class UnitLeadership(_Frozen):
    """The leadership indices of one org unit, in tree order; never sorted by a figure."""

    org_unit_id: str
    name: str
    depth: int
    sponsor: str
    visible_weeks: Figure = Field(description="of the sponsor")
    leaders_active: Figure
    leaders_flagship: Figure
    velocity_before: Figure
    velocity_after: Figure
    commitments: Figure
    decision_wait: Figure = Field(
        description="median of all decisions about the unit, whoever they waited for"
    )
    longest_wait: Figure | None = Field(
        default=None, description="days that its longest open decision has waited"
    )
    longest_wait_owner: str | None = Field(
        default=None, description="who that decision waits for, which need not be the sponsor"
    )
    cascade: Figure
    cascade_message: str | None = Field(
        default=None, description="the message that the cascade figure is of"
    )


class Leadership(_Frozen):
    """The leadership page: units in tree order, exceptions, plans, vacancies."""

    units: tuple[UnitLeadership, ...]
    exceptions: tuple[str, ...]
    plans: tuple[PlanProgress, ...]
    vacancies: tuple[str, ...]
    flagship_group: str = Field(
        default="all leaders", description="whom the flagship figures of this page count"
    )
    footnote: str | None = Field(default=None, description="attendance at the reviews")


class Blocker(_Frozen):
    """What stands in the way, and who can remove it by decision right."""

    blocker: str
    what: str
    unit: str
    who: str
    right: str


class Win(_Frozen):
    """A quick win of the week."""

    what: str
    unit: str


class StandUp(_Frozen):
    """The weekly stand-up: one phone screen.

    The week's main sentence is the scorecard's own ``sentence``: print it first. ``faults`` are
    roles with two holders and deputies in a circle, one sentence each: print them as one line,
    and nothing where there are none.
    """

    overdue: tuple[LogEntry, ...]
    carried_over: int
    blockers: tuple[Blocker, ...]
    more_blockers: int
    wins: tuple[Win, ...]
    warnings: tuple[EarlyWarning, ...]
    more_warnings: int
    faults: tuple[str, ...] = ()


class Goal(_Frozen):
    """One unit's business outcome against its baseline, beside its adoption."""

    org_unit_id: str
    unit: str
    depth: int
    metric: str
    baseline: Figure
    outcome: Figure
    change: Figure
    target: Figure
    compared: Figure = Field(description="against units not yet started, points")
    adoption: dict[str, Figure] = Field(default_factory=dict, description="headline kpi_id -> now")


class ChangeSplit(_Frozen):
    """A KPI's change from the quarter before, split into who is counted (mix) and rate."""

    kpi_id: str
    name: str
    before: Figure
    now: Figure
    change: Figure
    mix: Figure
    rate: Figure
    sentence: str
    units: tuple[str, ...] = Field(default=(), description="the units that moved it most")


class ProposedTarget(_Frozen):
    """A target proposed for the next quarter, with the reasoning."""

    kpi_id: str
    name: str
    target: Figure
    proposed: Figure
    reasoning: str


class Strategy(_Frozen):
    """What the quarterly strategy sync adds to the scorecard."""

    goals: tuple[Goal, ...]
    effect: str = Field(description="the effect in one sentence")
    confidence: str = Field(description="one word: strong, some, weak or none")
    splits: tuple[ChangeSplit, ...]
    profiles: tuple[str, ...] = Field(description="success profiles, one sentence each")
    commitments: tuple[LogEntry, ...]
    proposed: tuple[ProposedTarget, ...]


class Sitting(_Frozen):
    """The next sitting of the ritual, from the review calendar."""

    name: str
    starts_at: datetime = Field(description="aware, in the organisation's time zone")
    minutes: int
    place: str | None
    agenda: tuple[str, ...]


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
    unreached: tuple[str, ...] = Field(default=(), description="mail that did not arrive")
    warnings: tuple[EarlyWarning, ...] = ()
    log: tuple[LogEntry, ...] = Field(
        default=(), description="decisions asked for by the review before, then open commitments"
    )
    candidates: tuple[Candidate, ...] = ()
    leadership_page: Leadership | None = None
    stand_up: StandUp | None = None
    strategy: Strategy | None = None
    sitting: Sitting | None = None
    privacy_threshold: int
    currency: str
    charter_hash: str
    code_version: str


class SheetKpi(_Frozen):
    """One KPI of a leader's own unit on their page."""

    kpi_id: str
    name: str
    period_label: str
    now: Figure
    target: Figure
    mark: Mark


class LeaderAction(_Frozen):
    """One recorded action of a leader, in words."""

    happened_on: date
    what: str
    audience: str
    counts: bool = Field(description="whether it counts as visible sponsorship of their unit")


class LeaderPage(_Frozen):
    """What one named leader sees of themselves: the preview, and the quarterly review sheet.

    Holds their own organisation only. ``person_id`` says whose page it is; it is never printed.
    An index of a role that they do not hold says 'not asked of this role': leave its line out. Who
    leads no unit has the KPIs that they own instead of a unit's.
    """

    person_id: str
    manager_person_id: str | None
    name: str | None = Field(description="None where the page may be read by somebody else, too")
    role: str
    org_unit_id: str
    unit: str
    organisation: str
    period_id: str
    period_label: str
    period_end: date
    data_as_of: date
    stale_note: str | None = Field(
        default=None, description="'activity as of 12 October' when a feed is stale"
    )
    visible_weeks: Figure
    visible_target: Figure
    flagship: Figure
    commitments: Figure
    commitments_target: Figure
    decision_wait: Figure
    attendance: Figure
    actions: tuple[LeaderAction, ...]
    kpis: tuple[SheetKpi, ...]
    plan: PlanProgress | None
    log: tuple[LogEntry, ...] = Field(description="their open commitments and decisions waiting")
    comments_asked: tuple[str, ...] = Field(
        default=(),
        description=(
            "the KPIs they own that signal and lack their comment, each with its value, usual "
            "range and target: 'Voluntary active learners: 50.4 % in October 2026, above its "
            "usual range 30.1 to 53.1 %, target 40.0 %'"
        ),
    )
    reply_by: date | None = None
