"""Hand-made scorecards: what a month can look like, from typical to hostile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from orchestration.scorecard.model import (
    Annotation,
    BesideFigure,
    Decision,
    Exclusion,
    FeedStatus,
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
from tests.review import rituals
from tests.review.values import NO_DATA, NOT_REACHED, SUPPRESSED, value

MONTHS = [f"2025-{month:02d}" for month in (10, 11, 12)] + [
    f"2026-{month:02d}" for month in range(1, 11)
]
HOSTILE = '#read("x") =1+1 <script>alert(1)</script> {{7*7}} $x^2$ @ref *bold* \\n \u202eevil\x00'


def points(
    numbers: list[float | None],
    signals: dict[int, Literal["improving", "concerning"]] | None = None,
) -> tuple[Point, ...]:
    """A monthly series that ends in October 2026; ``signals`` by index from the end."""
    months = MONTHS[-len(numbers) :]
    signals = signals or {}
    return tuple(
        Point(
            period_id=month,
            label=f"{date.fromisoformat(month + '-01'):%b %Y}",
            value=None if number is None else Decimal(str(number)),
            signal=signals.get(index - len(numbers)),
        )
        for index, (month, number) in enumerate(zip(months, numbers, strict=True))
    )


def limits(mean: float, lower: float, upper: float, basis: Any = "level") -> Limits:
    """Natural process limits from plain numbers."""
    return Limits(
        basis=basis,
        mean=Decimal(str(mean)),
        lower=Decimal(str(lower)),
        upper=Decimal(str(upper)),
    )


def kpi(kpi_id: str, name: str, unit: Unit, now: Figure, target: Figure, **more: Any) -> Kpi:
    """A headline KPI with plain texts where none are given."""
    return Kpi(
        **{
            "kpi_id": kpi_id,
            "name": name,
            "unit": unit,
            "direction": "up",
            "period_label": "October 2026",
            "now": now,
            "numerator": value("1,604"),
            "denominator": value("2,412"),
            "target": target,
            "series": (),
            "limits": None,
            "mark": Mark(variation="no_data", assurance="no_data", text="No data", tone="neutral"),
            "owner": "Hannah Osei",
            "finding": f"{name} moved within its usual range",
            "same_period_last_year": NO_DATA,
            "year_to_date": NO_DATA,
            "definition": f"{name}: what it means, in one sentence that a reader can check.",
            "numerator_definition": "people counted",
            "denominator_definition": "eligible people at the period's end",
            "business_outcome": "productivity index",
            "guardrail": "reported beside voluntary attrition",
            **more,
        }
    )


KPIS = (
    kpi(
        "performance_improvement",
        "Business outcome against baseline",
        "index_change",
        value("+3.1 points"),
        value("+4.0 points"),
        period_label="Q3 2026",
        series=tuple(
            Point(period_id=f"{year}-Q{quarter}", label=f"Q{quarter} {year}", value=Decimal(number))
            for year, quarter, number in (
                (2025, 3, "0.4"),
                (2025, 4, "1.2"),
                (2026, 1, "1.9"),
                (2026, 2, "2.6"),
                (2026, 3, "3.1"),
            )
        ),
        mark=Mark(
            variation="too_few_points",
            assurance="too_few_points",
            text="Too early to judge",
            tone="neutral",
        ),
        owner="Tomasz Wolski",
        finding="The productivity index stands 3.1 points above its baseline",
        year_to_date=value("+2.5 points"),
        same_period_last_year=value("+0.4 points"),
        definition="Change of the productivity index against the four quarters before launch, "
        "worded as contribution: other causes are not ruled out.",
    ),
    kpi(
        "time_to_competency",
        "Days to competency",
        "days",
        value("48 days"),
        value("45 days"),
        direction="down",
        series=points(
            [63, 61, 62, 60, 61, 59, 58, 57, 55, 53, 52, 50, 48],
            {-4: "improving", -3: "improving", -2: "improving", -1: "improving"},
        ),
        limits=limits(58.4, 53.2, 63.6),
        mark=Mark(
            variation="improving",
            assurance="consistently_missed",
            text="Improving; target consistently missed",
            tone="good",
            rules=("beyond_limits", "run_of_8"),
        ),
        owner="Priya Raman",
        finding="Days to competency fell to 48, below the range of the past year",
        forecast=value("44 days"),
        forecast_range="41 to 47 days",
        caution="2.6 times as many cases since January 2026: compare with care.",
        interval_text="95 % interval 41 to 55 days",
        beside=(
            BesideFigure(
                kpi_id="competency_by_day_90", name="competent by day 90", figure=value("71 %")
            ),
            BesideFigure(kpi_id="competency_at_risk", name="still waiting", figure=value("184")),
        ),
        same_period_last_year=value("63 days"),
        year_to_date=value("55 days"),
        definition="Median days from the later of role start and start of the requirement to the "
        "first pass; people who have not passed are censored, not dropped (Kaplan-Meier).",
    ),
    kpi(
        "certification_rate",
        "Certified in role",
        "percent",
        value("86.2 %"),
        value("90.0 %"),
        series=points(
            [84.1, 84.6, 85.2, 85.0, 85.4, 85.9, 85.7, 86.1, 86.0, 86.4, 86.1, 86.3, 86.2]
        ),
        charted=points([0.3, 0.5, 0.6, -0.2, 0.4, 0.5, -0.2, 0.4, -0.1, 0.4, -0.3, 0.2, -0.1]),
        limits=limits(0.2, -1.1, 1.5, "net_gain"),
        mark=Mark(
            variation="ordinary",
            assurance="consistently_missed",
            text="No clear change; target consistently missed",
            tone="neutral",
        ),
        owner="Priya Raman",
        beside=(
            BesideFigure(
                kpi_id="certifications_lapsing_60d",
                name="lapse in the next 60 days",
                figure=value("143"),
            ),
        ),
        same_period_last_year=value("84.1 %"),
        year_to_date=value("85.8 %"),
    ),
    kpi(
        "on_time_completion_rate",
        "Mandatory learning on time",
        "percent",
        value("78.4 %"),
        value("95.0 %"),
        series=points(
            [91.2, 92.0, 90.4, 91.8, 92.6, 91.1, 90.9, 92.2, 91.5, 90.6, 91.9, 90.2, 78.4],
            {-1: "concerning"},
        ),
        limits=limits(91.4, 87.6, 95.2),
        mark=Mark(
            variation="concerning",
            assurance="consistently_missed",
            text="Concerning; target consistently missed",
            tone="bad",
            rules=("beyond_limits",),
        ),
        owner="Marcus Lindqvist",
        finding="Mandatory learning on time fell to 78.4 %, below its limits, led by Operations",
        comment=rituals.COMMENT,
        beside=(
            BesideFigure(
                kpi_id="mandatory_overdue_today", name="people overdue", figure=value("212")
            ),
            BesideFigure(
                kpi_id="mandatory_short_notice", name="given under 14 days", figure=value("96")
            ),
        ),
        same_period_last_year=value("91.2 %"),
        year_to_date=value("90.1 %"),
    ),
    kpi(
        "active_learner_rate",
        "Voluntary active learners, monthly",
        "percent",
        value("66.5 %"),
        value("60.0 %"),
        series=points(
            [52.0, 54.1, 49.8, 53.3, 55.0, 56.2, 57.9, None, 60.3, 61.8, 63.0, 64.9, 66.5],
            {-3: "improving", -2: "improving", -1: "improving"},
        ),
        limits=limits(57.1, 52.0, 62.2),
        mark=Mark(
            variation="improving",
            assurance="hit_and_miss",
            text="Improving; target met in 5 of the last 12 months",
            tone="good",
            rules=("beyond_limits",),
        ),
        owner="Hannah Osei",
        finding="Voluntary active learners rose to 66.5 %, above the range of the past year",
        forecast=value("68.0 %"),
        forecast_range="63.1 to 72.9 %",
        beside=(
            BesideFigure(
                kpi_id="active_learner_rate_total",
                name="with mandatory learning",
                figure=value("81.0 %"),
            ),
        ),
        same_period_last_year=value("52.0 %"),
        year_to_date=value("58.8 %"),
    ),
)

BELOW = (
    kpi(
        "adoption_velocity",
        "Adoption velocity",
        "per_100",
        value("18.4 per 100"),
        Figure(state="no_data", text="no target", reason="never a target"),
        series=points([17, 18, 15, 19, 18, 17, 20, 18, 16, 19, 18, 19, 18.4]),
        limits=limits(17.8, 12.6, 23.0),
        mark=Mark(
            variation="ordinary", assurance="no_target", text="No clear change", tone="neutral"
        ),
        same_period_last_year=value("17.0 per 100"),
        year_to_date=value("17.9 per 100"),
    ),
    kpi(
        "seat_use",
        "Seat use",
        "percent",
        value("72.0 %"),
        value("80.0 %"),
        period_label="Q3 2026",
        beside=(BesideFigure(kpi_id="idle_seat_cost", name="idle seats", figure=value("£84,000")),),
    ),
)

DECISIONS = (
    Decision(
        decision_id="D-2026-10-1",
        what="Give Operations two protected hours a week until December",
        why="On-time completion in Operations fell to 61 % after two launches in one month.",
        options=(
            "Protect two hours a week for 340 people until 18 December",
            "Move the second launch to January",
            "Do nothing and accept the overdue list",
        ),
        amount="£38,000 in shift cover",
        owner="Marcus Lindqvist",
        owner_role="operations head",
        due_on=date(2026, 11, 20),
        if_not_taken="About 200 more people will be overdue by the end of the year.",
    ),
    Decision(
        decision_id="D-2026-10-2",
        what="Retire four elective modules nobody finished this year",
        why="41 people started, none finished; the review date has passed.",
        options=("Retire all four", "Retire two and rewrite two"),
        amount=None,
        owner="Priya Raman",
        owner_role="L&D head",
        due_on=date(2026, 11, 13),
        if_not_taken="Silence retires them on 27 November.",
    ),
)

UNITS = (
    ("U0", "Meridian Foods", 0, "2,412", ("+3.1 points", "48 days", "86.2 %", "78.4 %", "66.5 %")),
    ("U1", "Operations", 1, "1,020", ("+2.2 points", "52 days", "83.0 %", "61.2 %", "58.1 %")),
    ("U2", "Bakery sites", 2, "610", ("+2.0 points", "54 days", "82.1 %", "58.8 %", "55.0 %")),
    ("U3", "Logistics", 2, "410", ("+2.6 points", "50 days", "84.4 %", "64.9 %", "62.3 %")),
    ("U4", "Commercial", 1, "742", ("+4.4 points", "41 days", "90.3 %", "93.0 %", "76.9 %")),
    (
        "U5",
        "Finance and people",
        1,
        "386",
        ("+3.0 points", "47 days", "88.8 %", "91.4 %", "70.2 %"),
    ),
    ("U6", "Technology", 1, "261", ("+3.9 points", "39 days", "87.5 %", "90.0 %", "79.5 %")),
)


def unit_rows() -> tuple[UnitRow, ...]:
    """Seven units and one too small to show."""
    rows = [
        UnitRow(
            org_unit_id=unit_id,
            name=name,
            depth=depth,
            headcount=value(people),
            figures={k.kpi_id: value(text) for k, text in zip(KPIS, texts, strict=True)},
            signals=(
                {"on_time_completion_rate": "concerning"}
                if name in ("Operations", "Bakery sites")
                else {"active_learner_rate": "improving"}
                if name == "Technology"
                else {}
            ),
        )
        for unit_id, name, depth, people, texts in UNITS
    ]
    rows.append(
        UnitRow(
            org_unit_id="U7",
            name="Executive office",
            depth=1,
            headcount=SUPPRESSED,
            figures={k.kpi_id: SUPPRESSED for k in KPIS},
        )
    )
    return tuple(rows)


FEEDS: tuple[tuple[str, Any, date | None, int, int, str], ...] = (
    ("people", "complete", date(2026, 10, 31), 2471, 0, ""),
    ("org_units", "complete", date(2026, 10, 31), 8, 0, ""),
    ("courses", "complete", date(2026, 10, 31), 164, 1, "1 row without a title"),
    ("enrolments", "complete", date(2026, 10, 31), 48210, 12, "12 rows of unknown people"),
    ("activity", "complete", date(2026, 10, 31), 391204, 37, "37 rows with negative duration"),
    ("assessments", "complete", date(2026, 10, 30), 9120, 0, ""),
    ("certifications", "complete", date(2026, 10, 30), 6114, 0, ""),
    ("leader_actions", "complete", date(2026, 10, 29), 212, 0, ""),
    ("business_outcomes", "complete", date(2026, 9, 30), 48, 0, "quarterly"),
    ("initiatives", "not_connected", None, 0, 0, "no annotations on the charts"),
)


def typical(**changes: Any) -> Scorecard:
    """A usual month: two improve, one concerns, two decisions."""
    return Scorecard(
        **{
            "organisation": "Meridian Foods",
            "ritual": "monthly",
            "period_id": "2026-10",
            "period_label": "October 2026",
            "period_start": date(2026, 10, 1),
            "period_end": date(2026, 10, 31),
            "data_as_of": date(2026, 10, 31),
            "stale_note": None,
            "sentence": "Two in three people now learn by choice, but mandatory learning on "
            "time fell to 78.4 % in October, led by Operations; two decisions are asked for.",
            "nothing_to_decide": False,
            "kpis": KPIS,
            "below": BELOW,
            "leadership": (
                LeadershipItem(
                    kpi_id="sponsor_visible_weeks",
                    name="Weeks with a visible sponsor action",
                    figure=value("9 of 13"),
                    target=value("10 weeks"),
                    series=points([8, 8, 9, 7, 8, 9, 10, 9, 9, 10, 9, 9, 9]),
                ),
                LeadershipItem(
                    kpi_id="leaders_flagship_completed",
                    name="Executive leadership team through the flagship course",
                    figure=value("31 of 38"),
                    series=points([2, 5, 9, 12, 15, 18, 20, 23, 25, 27, 29, 30, 31]),
                ),
                LeadershipItem(
                    kpi_id="commitments_closed_on_time",
                    name="Commitments closed on time",
                    figure=Figure(state="no_data", text="no record", reason="no log kept yet"),
                ),
            ),
            "top_risk": "212 people in Operations are overdue on food safety before the December "
            "audit.",
            "decisions": DECISIONS,
            "decisions_done": 3,
            "decisions_total": 4,
            "units": unit_rows(),
            "exclusions": (
                Exclusion(reason="not yet 31 days in post", people=value("41")),
                Exclusion(reason="on leave for over half the month", people=value("27")),
                Exclusion(reason="left before the month ended", people=value("19")),
                Exclusion(reason="unknown unit", people=SUPPRESSED),
            ),
            "contractors": (
                BesideFigure(
                    kpi_id="active_learner_rate",
                    name="Voluntary active learners",
                    figure=value("44.0 %"),
                ),
                BesideFigure(
                    kpi_id="on_time_completion_rate",
                    name="Mandatory learning on time",
                    figure=value("88.1 %"),
                ),
            ),
            "feeds": tuple(
                FeedStatus(
                    feed=feed,
                    verdict=verdict,
                    data_as_of=as_of,
                    rows_accepted=accepted,
                    rows_rejected=rejected,
                    note=note,
                )
                for feed, verdict, as_of, accepted, rejected, note in FEEDS
            ),
            "annotations": (
                Annotation(
                    title="Leadership campaign",
                    kind="campaign",
                    starts_on=date(2026, 5, 11),
                    ends_on=date(2026, 6, 12),
                    period_id="2026-05",
                ),
                Annotation(
                    title="Warehouse system go-live",
                    kind="competing_work",
                    starts_on=date(2026, 9, 28),
                    ends_on=date(2026, 10, 23),
                    period_id="2026-10",
                ),
            ),
            "restatements": ("Certified in role, August 2026: was 86.6 %, is 86.1 % (late rows).",),
            "warnings": rituals.WARNINGS,
            "log": rituals.LOG,
            "candidates": rituals.CANDIDATES,
            "leadership_page": rituals.LEADERSHIP,
            "sitting": rituals.SITTING,
            "privacy_threshold": 5,
            "currency": "GBP",
            "charter_hash": "9b1f4c0e77aa2d31",
            "code_version": "0.1.0",
            **changes,
        }
    )


def stale() -> Scorecard:
    """The activity feed stopped on 12 October and the review goes out marked."""
    return typical(
        stale_note="activity as of 12 October",
        data_as_of=date(2026, 10, 12),
        feeds=tuple(
            feed.model_copy(
                update={
                    "verdict": "stale",
                    "data_as_of": date(2026, 10, 12),
                    "note": "19 days behind; allowed 7",
                }
            )
            if feed.feed == "activity"
            else feed
            for feed in typical().feeds
        ),
    )


def empty() -> Scorecard:
    """The first month of a new organisation: no data, suppressed and not reached, nothing else."""
    states = (NO_DATA, NOT_REACHED, SUPPRESSED, NO_DATA, SUPPRESSED)
    no_target = Figure(state="no_data", text="no target", reason="none set")
    return typical(
        sentence="There is not yet enough data to judge learning adoption.",
        nothing_to_decide=True,
        kpis=tuple(
            kpi(k.kpi_id, k.name, k.unit, state, no_target, numerator=state, denominator=state)
            for k, state in zip(KPIS, states, strict=True)
        ),
        below=(),
        leadership=(),
        top_risk=None,
        decisions=(),
        decisions_done=None,
        decisions_total=None,
        units=(),
        exclusions=(),
        contractors=(),
        annotations=(),
        restatements=(),
        warnings=(),
        log=(),
        candidates=(),
        leadership_page=None,
        sitting=None,
    )


def _calm(k: Kpi) -> Kpi:
    """The same KPI well within its limits, its target met."""
    mark = Mark(
        variation="ordinary",
        assurance="consistently_met",
        text="No clear change; target reliably met",
        tone="neutral",
    )
    if k.limits is None:
        return k.model_copy(update={"mark": mark})
    mean, reach = float(k.limits.mean), float(k.limits.upper - k.limits.mean)
    wiggle = (0.3, -0.4, 0.1, 0.5, -0.2, -0.5, 0.2, 0.4, -0.1, -0.3, 0.6, 0.1, 0.2)
    line = points([round(mean + share * reach, 1) for share in wiggle])
    last = line[-1].value
    level = k.limits.basis == "level"
    return k.model_copy(
        update={
            "mark": mark,
            "finding": f"{k.name} stayed within its usual range.",
            "series": line if level else k.series,
            "charted": () if level else line,
            "now": value(f"{last} {k.now.text.split()[1]}") if level else k.now,
            "target": value(f"{k.limits.mean} {k.now.text.split()[1]}") if level else k.target,
        }
    )


def quiet() -> Scorecard:
    """Nothing signals and nothing needs deciding: the sitting can be skipped."""
    return typical(
        sentence="All five measures moved within their usual range and nothing needs deciding.",
        nothing_to_decide=True,
        kpis=tuple(_calm(k) for k in KPIS),
        top_risk=None,
        decisions=(),
        decisions_done=4,
        decisions_total=4,
        restatements=(),
        warnings=(),
        units=tuple(u.model_copy(update={"signals": {}}) for u in unit_rows()),
    )


def _hostile(scorecard: Scorecard, text: str) -> Scorecard:
    """Every free text of the scorecard replaced by ``text``."""
    return scorecard.model_copy(
        update={
            "organisation": text[:80],
            "sentence": text,
            "top_risk": text,
            "kpis": tuple(
                k.model_copy(
                    update={
                        "name": text,
                        "owner": text,
                        "finding": text,
                        "definition": text,
                        "beside": tuple(b.model_copy(update={"name": text}) for b in k.beside),
                    }
                )
                for k in scorecard.kpis
            ),
            "leadership": tuple(i.model_copy(update={"name": text}) for i in scorecard.leadership),
            "decisions": tuple(
                d.model_copy(
                    update={
                        "what": text,
                        "why": text,
                        "options": (text, text),
                        "amount": text,
                        "owner": text,
                        "owner_role": text,
                        "if_not_taken": text,
                    }
                )
                for d in (*scorecard.decisions, scorecard.decisions[0])
            ),
            "units": tuple(u.model_copy(update={"name": text}) for u in scorecard.units),
            "feeds": tuple(f.model_copy(update={"note": text}) for f in scorecard.feeds),
            "annotations": tuple(
                a.model_copy(update={"title": text}) for a in scorecard.annotations
            ),
            "restatements": (text, text),
        }
    )


def hostile() -> Scorecard:
    """Names that look like code to a template engine, a typesetter or a spreadsheet."""
    return _hostile(stale(), HOSTILE)


def long_names() -> Scorecard:
    """Every text far longer than its place, with and without spaces; sixty units."""
    wordy = "Centre of Excellence for Continuous Improvement and Operational Learning " * 6
    base = _hostile(stale(), wordy + "Donaudampfschifffahrtsgesellschaft" * 12)
    rows = tuple(
        row.model_copy(update={"org_unit_id": f"{row.org_unit_id}-{copy}"})
        for copy in range(8)
        for row in base.units
    )
    return base.model_copy(update={"units": rows})


ALL: dict[str, Callable[[], Scorecard]] = {
    "typical": typical,
    "stale": stale,
    "empty": empty,
    "quiet": quiet,
    "hostile": hostile,
    "long_names": long_names,
}
