"""Hand-made parts of the rituals: log, warnings, plans, stand-ups, quarters and leaders' pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.scorecard.leaders import NOT_ASKED
from orchestration.scorecard.model import (
    Blocker,
    Candidate,
    ChangeSplit,
    Comment,
    EarlyWarning,
    Figure,
    Goal,
    LeaderAction,
    LeaderPage,
    Leadership,
    LogEntry,
    Mark,
    PlanItem,
    PlanProgress,
    ProposedTarget,
    Scorecard,
    SheetKpi,
    Sitting,
    StandUp,
    Strategy,
    UnitLeadership,
    Win,
)
from tests.review.values import NO_DATA, SUPPRESSED, value

NO_RECORD = Figure(state="no_data", text="no record", reason="nothing recorded yet")
CORE = "Every week, two hours for the skills our customers notice"


def entry(title: str, **more: Any) -> LogEntry:
    """A log entry; an open decision unless said."""
    return LogEntry(
        **{
            "entry_id": f"E-{title[:12]}",
            "kind": "decision",
            "title": title,
            "unit": "Operations",
            "owner": "Marcus Lindqvist",
            "asked_on": date(2026, 10, 9),
            "due_on": date(2026, 10, 23),
            "status": "open",
            "status_text": "open, due on 23 October",
            "waiting_days": 22,
            **more,
        }
    )


LOG = (
    entry(
        "Give Operations two protected hours a week until December",
        status="decided",
        status_text="decided on 21 October, in time",
        waiting_days=12,
        outcome="Two hours for 340 people until 18 December",
    ),
    entry(
        "Fund the autumn campaign for Commercial",
        unit="Commercial",
        owner="Ingrid Solberg",
        status="decided",
        status_text="decided on 27 October",
        waiting_days=18,
        outcome="Approved",
        note="decided without the right to: the sponsor decides up to GBP 25,000",
    ),
    entry(
        "Retire three elective modules past their review date",
        unit=None,
        owner="Priya Raman",
        status="overdue",
        status_text="overdue by 8 days",
        waiting_days=22,
    ),
    entry("Give back 120 idle seats", unit=None, owner="Hannah Osei", waiting_days=22),
    entry(
        "Make food safety mandatory for agency staff",
        asked_on=date(2026, 8, 10),
        due_on=date(2026, 8, 24),
        status="overdue",
        status_text="overdue by 68 days",
        waiting_days=82,
    ),
    entry(
        "Name a deputy for every site manager",
        kind="commitment",
        asked_on=date(2026, 9, 12),
        due_on=date(2026, 11, 30),
        status_text="open, due on 30 November",
        waiting_days=49,
    ),
    entry(
        "Hold one learning huddle a month in every bakery",
        kind="commitment",
        unit="Bakery sites",
        owner="Joana Mendes",
        status="done",
        status_text="done on 14 October, in time",
        waiting_days=31,
    ),
)

WARNINGS = (
    EarlyWarning(
        warning_id="mandatory_launches",
        pain_point="Competing priorities",
        unit="Operations",
        finding="Two mandatory launches fall due within 30 days in Operations",
        since=date(2026, 10, 5),
        evidence=(
            "Food safety refresher, due on 6 November",
            "Warehouse system basics, due on 13 November",
            "Warehouse system go-live, 28 September to 23 October",
        ),
        countermeasure="Keep one launch calendar; the operations head defers one launch within "
        "5 working days; a new launch names what it replaces.",
        owner="Marcus Lindqvist",
        due_on=date(2026, 11, 10),
    ),
    EarlyWarning(
        warning_id="sponsor_silent_3",
        pain_point="No visible sponsor",
        unit="Technology",
        finding="No record of a visible sponsor action in Technology for 4 weeks",
        since=date(2026, 10, 3),
        evidence=("Last recorded: manager forum, 2 October",),
        countermeasure="The deputy acts in the sponsor's place.",
        owner="Deputy of Ravi Menon",
        due_on=date(2026, 11, 12),
    ),
    EarlyWarning(
        warning_id="old_message",
        pain_point="Inconsistent messaging",
        unit="Meridian Foods",
        finding="The core sentence is 52 days old",
        since=date(2026, 10, 25),
        evidence=("Message M-2026-3, issued on 10 September",),
        countermeasure="Withdraw the message and reissue it with a fresh core sentence.",
        owner="Hannah Osei",
        due_on=date(2026, 11, 14),
    ),
)

CANDIDATES = (
    Candidate(
        kind="decommission",
        what="Negotiation basics (classroom)",
        evidence=("nobody active in 180 days", "review date passed on 1 June 2026"),
        owner="Priya Raman",
        due_on=date(2026, 11, 20),
        silence="No answer by then retires it.",
    ),
    Candidate(
        kind="decommission",
        what="Forklift theory 2021",
        evidence=("41 ended in 12 months, 12 completed", "mandatory for Logistics"),
        owner="Anke Vogel",
        due_on=date(2026, 12, 4),
        silence="Stays until decided: mandatory learning is never retired by silence.",
    ),
    Candidate(
        kind="campaign",
        what="Learning hours for Bakery sites",
        evidence=("voluntary active learners 55.0 %, target 60.0 %", "no campaign since May"),
        owner="Ingrid Solberg",
        due_on=date(2026, 11, 27),
        silence="No campaign runs.",
    ),
)

_PLAN = (
    (0, "visible start", "Name sponsor, deputy, operator and measurer for each unit", "ELT"),
    (5, "visible start", "Publish the town hall date and the review dates", "Hannah Osei"),
    (10, "visible start", "Sign baseline and targets", "Priya Raman"),
    (14, "visible start", "Hold the launch town hall", "Marcus Lindqvist"),
    (15, "visible start", "Send the email announcement", "Marcus Lindqvist"),
    (25, "visible start", "At least 80 % of managers cascade the message", "Joana Mendes"),
    (30, "visible start", "First monthly review with a resource decision", "Ingrid Solberg"),
    (35, "role modelling", "Sponsor completes the flagship course publicly", "Marcus Lindqvist"),
    (45, "role modelling", "At least 90 % of the ELT complete the flagship course", "ELT"),
    (50, "role modelling", "Turn one standing meeting into a learning huddle", "Marcus Lindqvist"),
    (55, "role modelling", "Sponsor attends two manager forums", "Marcus Lindqvist"),
    (60, "role modelling", "Recognise five learners", "Joana Mendes"),
    (65, "accountability", "Put learning targets into leaders' review forms", "Anke Vogel"),
    (70, "accountability", "Decide the first decommission list", "Priya Raman"),
    (75, "accountability", "Refresh the message", "Hannah Osei"),
    (80, "accountability", "Run a short survey of use on the job", "Priya Raman"),
    (90, "accountability", "Quarterly sync: scale, adjust or stop", "ELT"),
)


def plan(unit: str = "Operations", **more: Any) -> PlanProgress:
    """A plan on day 52 of 90: eight done, one overdue, one due."""
    launch = date(2026, 9, 10)
    statuses = ["done"] * 7 + ["overdue", "done", "due"] + ["not_yet"] * 7
    evidence = {
        3: "Town hall, 24 September 2026",
        5: "31 of 36 managers confirmed by 5 October 2026",
        8: "10 of 11 completed by 25 October 2026",
    }
    return PlanProgress(
        **{
            "unit": unit,
            "leader": "Marcus Lindqvist",
            "launch_on": launch,
            "day": 52,
            "on_track": value("89 %"),
            "done": 8,
            "due_by_now": 9,
            "items": tuple(
                PlanItem(
                    day=day,
                    due_on=date.fromordinal(launch.toordinal() + day),
                    phase=phase,
                    action=action,
                    owner=owner,
                    status=status,
                    evidence=evidence.get(number),
                )
                for number, ((day, phase, action, owner), status) in enumerate(
                    zip(_PLAN, statuses, strict=True)
                )
            ),
            **more,
        }
    )


def unit_leadership(name: str, depth: int, sponsor: str, **more: Any) -> UnitLeadership:
    """One unit's leadership figures."""
    return UnitLeadership(
        **{
            "org_unit_id": name,
            "name": name,
            "depth": depth,
            "sponsor": sponsor,
            "visible_weeks": value("9 of 13"),
            "leaders_active": value("31 of 38"),
            "leaders_flagship": value("29 of 38"),
            "velocity_before": value("15.2 per 100"),
            "velocity_after": value("18.9 per 100"),
            "commitments": value("5 of 6"),
            "decision_wait": value("9 days"),
            "cascade": value("86 %"),
            **more,
        }
    )


LEADERSHIP = Leadership(
    units=(
        unit_leadership("Meridian Foods", 0, "Ingrid Solberg"),
        unit_leadership("Operations", 1, "Marcus Lindqvist", visible_weeks=value("11 of 13")),
        unit_leadership("Bakery sites", 2, "Joana Mendes", commitments=NO_DATA),
        unit_leadership("Logistics", 2, "Anke Vogel", cascade=value("64 %")),
        unit_leadership("Commercial", 1, "Ingrid Solberg"),
        unit_leadership(
            "Technology", 1, "Ravi Menon", visible_weeks=value("6 of 13"), cascade=NO_RECORD
        ),
        unit_leadership(
            "Executive office",
            1,
            "Ingrid Solberg",
            leaders_active=SUPPRESSED,
            leaders_flagship=SUPPRESSED,
            velocity_before=SUPPRESSED,
            velocity_after=SUPPRESSED,
        ),
    ),
    exceptions=(
        "Technology: no record of a visible sponsor action for 4 weeks.",
        "Logistics: 64 % of managers confirmed the cascade in 10 days; 70 % is asked for.",
        "One decision waited 22 days for its owner.",
    ),
    plans=(plan(),),
    vacancies=("Technology has no deputy sponsor.", "Logistics has no measurer."),
    footnote="Attendance: 7 of 9 named leaders at the October review.",
)

ZONE = ZoneInfo("Europe/London")
SITTING = Sitting(
    name="Monthly executive review",
    starts_at=datetime(2026, 11, 12, 10, 0, tzinfo=ZONE),
    minutes=30,
    place="Room 4",
    agenda=("exceptions 10", "decisions 15", "commitments 5"),
)

COMMENT = Comment(
    text="Two launches fell into one month. The second moves to January, and shifts in the "
    "bakeries are covered for two hours a week from 9 November.",
    by="Marcus Lindqvist",
    recorded_on=date(2026, 11, 4),
)


def action(title: str, owner: str, waiting: int, **more: Any) -> LogEntry:
    """An overdue action of the stand-up."""
    return entry(
        title,
        kind="action",
        owner=owner,
        status="overdue",
        status_text=f"overdue by {waiting - 14} days",
        waiting_days=waiting,
        **more,
    )


STAND_UP = StandUp(
    overdue=(
        action("Confirm the shift cover for learning hours", "Marcus Lindqvist", 20),
        action("Reissue the core message to Technology", "Ravi Menon", 17, unit="Technology"),
    ),
    carried_over=5,
    blockers=(
        Blocker(
            blocker="stalled_enrolments",
            what="96 enrolments in food safety have stood still for 30 days",
            unit="Bakery sites",
            who="Joana Mendes",
            right="Remove what stands in a unit's way",
        ),
        Blocker(
            blocker="mandatory_overdue",
            what="212 people are overdue on mandatory learning",
            unit="Operations",
            who="Marcus Lindqvist",
            right="Protect working time for learning",
        ),
        Blocker(
            blocker="active_rate_falls",
            what="Voluntary learning fell to 41 %, below its usual range",
            unit="Logistics",
            who="Ingrid Solberg",
            right="Fund a campaign, up to the limit",
        ),
    ),
    more_blockers=2,
    wins=(
        Win(what="Active learners rose to 79 %, above the usual range", unit="Technology"),
        Win(what="First 14 people through Negotiating with retailers", unit="Commercial"),
        Win(what="Ravi Menon completed Leading change, the flagship course", unit="Technology"),
    ),
    warnings=WARNINGS[:2],
    more_warnings=1,
)
STILL = StandUp(
    overdue=(), carried_over=0, blockers=(), more_blockers=0, wins=(), warnings=(), more_warnings=0
)

WEEK_SITTING = Sitting(
    name="Weekly adoption stand-up",
    starts_at=datetime(2026, 11, 2, 9, 30, tzinfo=ZONE),
    minutes=15,
    place=None,
    agenda=("overdue actions 5", "three blockers 7", "wins 3"),
)


def week(base: Scorecard, stand_up: StandUp | None = STAND_UP, **more: Any) -> Scorecard:
    """A week of ``base``'s organisation."""
    return base.model_copy(
        update={
            "ritual": "weekly",
            "period_id": "2026-W44",
            "period_label": "Week 44, 2026",
            "period_start": date(2026, 10, 26),
            "period_end": date(2026, 11, 1),
            "data_as_of": date(2026, 11, 1),
            "stand_up": stand_up,
            "sitting": WEEK_SITTING,
            "decisions": (),
            "log": (LOG[5], entry("Give back 120 idle seats", asked_on=date(2026, 10, 28))),
            **more,
        }
    )


# ---------------------------------------------------------------- the quarter


def goal(unit: str, depth: int, *texts: str, **more: Any) -> Goal:
    """A unit's goal: baseline, outcome, change, target, compared, three adoption figures."""
    baseline, outcome, change, target, compared, certified, on_time, active = texts
    return Goal(
        **{
            "org_unit_id": unit,
            "unit": unit,
            "depth": depth,
            "metric": "Productivity index",
            "baseline": value(baseline),
            "outcome": value(outcome),
            "change": value(change),
            "target": value(target),
            "compared": value(compared),
            "adoption": {
                "certification_rate": value(certified),
                "on_time_completion_rate": value(on_time),
                "active_learner_rate": value(active),
            },
            **more,
        }
    )


STRATEGY = Strategy(
    goals=(
        goal(
            "Meridian Foods",
            0,
            "98.4",
            "101.5",
            "+3.1 points",
            "+4.0 points",
            "+1.8 points",
            "86.2 %",
            "90.4 %",
            "63.2 %",
        ),
        goal(
            "Operations",
            1,
            "96.0",
            "98.2",
            "+2.2 points",
            "+4.0 points",
            "+0.9 points",
            "83.0 %",
            "84.1 %",
            "56.1 %",
        ),
        goal(
            "Commercial",
            1,
            "101.2",
            "105.6",
            "+4.4 points",
            "+4.0 points",
            "+3.1 points",
            "90.3 %",
            "93.0 %",
            "74.9 %",
        ),
        goal(
            "Technology",
            1,
            "99.8",
            "103.7",
            "+3.9 points",
            "+4.0 points",
            "+2.6 points",
            "87.5 %",
            "90.0 %",
            "78.0 %",
            adoption={"certification_rate": value("87.5 %"), "active_learner_rate": SUPPRESSED},
            compared=NO_DATA,
        ),
    ),
    effect="Units in the programme gained 1.8 points more than units not yet started; other causes "
    "are not ruled out.",
    confidence="some",
    splits=(
        ChangeSplit(
            kpi_id="on_time_completion_rate",
            name="Mandatory learning on time",
            before=value("91.4 %"),
            now=value("86.8 %"),
            change=value("-4.6 points"),
            mix=value("-0.8 points"),
            rate=value("-3.8 points"),
            sentence="Mandatory learning on time fell by 4.6 points: 3.8 because fewer were on "
            "time in the same units, 0.8 because more of the learning due was in Operations.",
            units=("Bakery sites \u22122.1 points", "Logistics \u22121.2 points"),
        ),
        ChangeSplit(
            kpi_id="active_learner_rate",
            name="Voluntary active learners, quarterly",
            before=value("70.0 %"),
            now=value("76.1 %"),
            change=value("+6.1 points"),
            mix=value("+0.4 points"),
            rate=value("+5.7 points"),
            sentence="Voluntary active learners rose by 6.1 points, nearly all of it within units.",
            units=("Commercial +2.9 points",),
        ),
    ),
    profiles=(
        "Units whose sponsor was visible in at least 10 of 13 weeks reached 74 % active learners; "
        "the others 58 % (descriptive, 4 and 3 units).",
        "People certified within 90 days had opened their first course in the first week.",
    ),
    commitments=LOG[5:],
    proposed=(
        ProposedTarget(
            kpi_id="active_learner_rate",
            name="Voluntary active learners, quarterly",
            target=value("72.0 %"),
            proposed=value("76.0 %"),
            reasoning="Met in each of the last four quarters; the forecast is 75.2 to 78.9 %.",
        ),
        ProposedTarget(
            kpi_id="on_time_completion_rate",
            name="Mandatory learning on time",
            target=value("95.0 %"),
            proposed=value("95.0 %"),
            reasoning="Kept: 212 people are overdue, and a lower target would settle for that.",
        ),
    ),
)
NO_STRATEGY = Strategy(
    goals=(), effect="", confidence="", splits=(), profiles=(), commitments=(), proposed=()
)
QUARTER_SITTING = Sitting(
    name="Quarterly strategy sync",
    starts_at=datetime(2026, 10, 19, 10, 0, tzinfo=ZONE),
    minutes=60,
    place="Board room",
    agenda=(
        "outcomes 20",
        "what worked and what stopped 15",
        "targets and funding 20",
        "commitments 5",
    ),
)

# ---------------------------------------------------------------- leaders' own pages


def leader_page(**more: Any) -> LeaderPage:
    """The page of a sponsor with a record, a plan and commitments."""
    return LeaderPage(
        **{
            "person_id": "P-0007",
            "manager_person_id": "P-0001",
            "name": "Marcus Lindqvist",
            "role": "sponsor",
            "org_unit_id": "U1",
            "unit": "Operations",
            "organisation": "Meridian Foods",
            "period_id": "2026-10",
            "period_label": "October 2026",
            "period_end": date(2026, 10, 31),
            "data_as_of": date(2026, 10, 31),
            "visible_weeks": value("11 of 13"),
            "visible_target": value("10 weeks"),
            "flagship": Figure(state="value", text="completed"),
            "commitments": value("2 of 3"),
            "commitments_target": value("90 %"),
            "decision_wait": value("12 days"),
            "attendance": value("3 of 3"),
            "actions": (
                LeaderAction(
                    happened_on=date(2026, 10, 6),
                    what="Town hall",
                    audience="Operations",
                    counts=True,
                ),
                LeaderAction(
                    happened_on=date(2026, 10, 14),
                    what="Attended a manager forum",
                    audience="Bakery sites",
                    counts=True,
                ),
                LeaderAction(
                    happened_on=date(2026, 10, 21),
                    what="Approved a budget",
                    audience="Operations",
                    counts=False,
                ),
            ),
            "kpis": (
                SheetKpi(
                    kpi_id="on_time_completion_rate",
                    name="Mandatory learning on time",
                    period_label="October 2026",
                    now=value("61.2 %"),
                    target=value("95.0 %"),
                    mark=Mark(
                        variation="concerning",
                        assurance="consistently_missed",
                        text="Concerning; target consistently missed",
                        tone="bad",
                    ),
                ),
                SheetKpi(
                    kpi_id="active_learner_rate",
                    name="Voluntary active learners, monthly",
                    period_label="October 2026",
                    now=value("58.1 %"),
                    target=value("60.0 %"),
                    mark=Mark(
                        variation="ordinary",
                        assurance="hit_and_miss",
                        text="No clear change; target met in 4 of the last 12 months",
                        tone="neutral",
                    ),
                ),
                SheetKpi(
                    kpi_id="time_to_competency",
                    name="Days to competency",
                    period_label="October 2026",
                    now=SUPPRESSED,
                    target=value("45 days"),
                    mark=Mark(
                        variation="no_data", assurance="no_data", text="Not shown", tone="neutral"
                    ),
                ),
            ),
            "plan": plan(),
            "log": (LOG[5], LOG[2]),
            "comments_asked": ("Mandatory learning on time",),
            "reply_by": date(2026, 11, 5),
            **more,
        }
    )


def owner_page(**more: Any) -> LeaderPage:
    """The page of a KPI's owner who is no named leader: a comment is asked, nothing else."""
    nothing = Figure(state="no_data", text=NOT_ASKED)
    return silent_leader_page(
        **{
            "person_id": "P-0044",
            "name": "Priya Raman",
            "role": "L&D head",
            "unit": "Meridian Foods",
            "visible_weeks": nothing,
            "flagship": nothing,
            "commitments": nothing,
            "commitments_target": NO_DATA,
            "decision_wait": nothing,
            "attendance": nothing,
            "comments_asked": ("Days to competency", "Certified in role"),
            **more,
        }
    )


def silent_leader_page(**more: Any) -> LeaderPage:
    """A leader of whom nothing is recorded: no plan, no target, no log."""
    return leader_page(
        **{
            "person_id": "P-0031",
            "manager_person_id": None,
            "name": "Ravi Menon",
            "role": "unit head",
            "org_unit_id": "U6",
            "unit": "Technology",
            "visible_weeks": NO_RECORD,
            "visible_target": NO_DATA,
            "flagship": NO_RECORD,
            "commitments": NO_DATA,
            "commitments_target": NO_DATA,
            "decision_wait": NO_DATA,
            "attendance": NO_RECORD,
            "actions": (),
            "kpis": (),
            "plan": None,
            "log": (),
            "comments_asked": (),
            **more,
        }
    )


def quarter(base: Scorecard, strategy: Strategy | None = STRATEGY, **more: Any) -> Scorecard:
    """A quarter of ``base``'s organisation."""
    return base.model_copy(
        update={
            "ritual": "quarterly",
            "period_id": "2026-Q3",
            "period_label": "Q3 2026",
            "period_start": date(2026, 7, 1),
            "period_end": date(2026, 9, 30),
            "data_as_of": date(2026, 9, 30),
            "strategy": strategy,
            "sitting": QUARTER_SITTING,
            **more,
        }
    )
