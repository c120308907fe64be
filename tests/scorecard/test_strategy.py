"""The quarterly strategy: goals against outcomes, effect, splits, profiles, targets."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.periods import Period
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.model import Goal, ProposedTarget, Strategy
from orchestration.scorecard.outcomes import Outcomes
from orchestration.scorecard.strategy import confidence

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any

D = Decimal
Q3 = Period.parse("2026-Q3")
LAUNCH = Period.parse("2026-Q1")
LATER = Period.parse("2026-Q4")


def strategy(case: Case) -> Strategy:
    card = case.build()
    assert inconsistencies(card, case.marts) == []
    assert card.strategy is not None
    return card.strategy


def outcome(case: Case, unit: str, launch: Period, numbers: dict[str, Any],
            metric: str = "productivity_index", direction: str = "up",
            reporting: str | None = None) -> None:  # fmt: skip
    """Publish a unit's outcome of each quarter, as each of those quarters' builds did."""
    for quarter, value in numbers.items():
        period = Period.parse(quarter)
        case.row("outcomes", period_start=period.start, org_unit_id=unit,
                 reporting_unit_id=reporting or unit, outcome_metric=metric, direction=direction,
                 launch_quarter=launch.start, quarter_start=period.start, numerator=value,
                 denominator=1)  # fmt: skip


BASELINE = {"2025-Q1": 98, "2025-Q2": 102, "2025-Q3": 99, "2025-Q4": 101}


@pytest.fixture
def case(quarter_case: Case) -> Case:
    """Operations started in Q1 2026; Sales starts in Q4 2026; the whole reports for both."""
    quarter_case.unit("o", "whole", name="Operations", headcount=300)
    quarter_case.unit("s", "whole", name="Sales", headcount=200)
    outcome(quarter_case, "o", LAUNCH, {**BASELINE, "2026-Q3": 110})
    outcome(quarter_case, "s", LATER, {**BASELINE, "2026-Q3": 103})
    outcome(quarter_case, "whole", LAUNCH, {"2026-Q3": 110}, reporting="o")
    outcome(quarter_case, "whole", LAUNCH, {"2026-Q3": 103}, reporting="s")
    for unit, value, people in (("o", "10.0", 300), ("whole", "6.5", 500)):
        quarter_case.value("performance_improvement", value, unit=unit, people=people,
                           numerator=100 + D(value), denominator=100, target=2)  # fmt: skip
    quarter_case.value("performance_improvement", None, unit="s", people=200,
                       reason="before launch")  # fmt: skip
    for unit, value, people in (("o", 60, 300), ("s", 40, 200), ("whole", 52, 500)):
        quarter_case.value("active_learner_rate", value, unit=unit, people=people,
                           numerator=people * value / 100, denominator=people)  # fmt: skip
    return quarter_case


def goals(case: Case) -> dict[str, Goal]:
    return {goal.org_unit_id: goal for goal in strategy(case).goals}


# ---------------------------------------------------------------- goals and effect


def test_goals_in_tree_order_against_baseline_and_units_not_started(case: Case) -> None:
    """Sales went from 100 to 103 over Operations' quarters: 10 - 3 = 7 points."""
    assert list(goals(case)) == ["whole", "o", "s"]
    found = goals(case)
    o, s = found["o"], found["s"]
    assert (o.metric, o.baseline.text, o.outcome.text, o.change.text, o.target.text) == (
        "Productivity index",
        "100.0",  # as the whole's 106.5, in the same column
        "110.0",
        "+10.0 %",
        "+2.0 %",
    )
    assert (o.compared.text, o.compared.value, o.depth) == ("+7.0 points", D("7.0"), 1)
    assert o.adoption["active_learner_rate"].text == "60.0 %"
    assert "performance_improvement" not in o.adoption
    assert {s.change.text, s.baseline.text, s.outcome.text, s.compared.text} == {"no data"}
    assert s.change.reason == "before launch"


def test_a_metric_that_is_to_fall_is_signed_so_that_a_plus_is_better(case: Case) -> None:
    """Attrition of Sales rose from 4 to 5: 25 % worse."""
    case.models["outcomes"] = []
    base = {"2025-Q1": 4, "2025-Q2": 4, "2025-Q3": 4, "2025-Q4": 4}
    for unit, launch, now in (("o", LAUNCH, 3), ("s", LATER, 5)):
        outcome(case, unit, launch, {**base, "2026-Q3": now}, "voluntary_attrition", "down")
    case.value("performance_improvement", 25, unit="o", people=300, numerator=3, denominator=4)
    assert goals(case)["o"].compared.text == "+50.0 points"


def test_only_like_is_compared_with_like(case: Case) -> None:
    rows = case.models["outcomes"]
    case.models["outcomes"] = [
        row
        for row in rows
        if not (row["org_unit_id"] == "s" and row["quarter_start"] == date(2025, 4, 1))
    ]
    compared = goals(case)["o"].compared
    assert (compared.state, compared.reason) == (
        "no_data",
        "no unit that has not started reports the same outcome",
    )


def test_a_small_unit_s_outcome_is_shown_nowhere(case: Case) -> None:
    case.unit("x", "s", name="Office", headcount=4, depth=2)
    outcome(case, "x", LATER, {**BASELINE, "2026-Q3": 222})
    case.value("performance_improvement", "22.0", unit="x", people=4, numerator=122,
               denominator=100)  # fmt: skip
    x = goals(case)["x"]
    states = {part.state for part in (x.change, x.baseline, x.outcome, x.compared)}
    assert states == {"suppressed"}
    assert goals(case)["o"].compared.text == "+7.0 points"  # of Sales alone
    case.models["outcomes"] = [r for r in case.models["outcomes"] if r["org_unit_id"] != "s"]
    assert goals(case)["o"].compared.state == "no_data"


def test_how_far_the_outcome_varied_before_launch(case: Case) -> None:
    outcomes = Outcomes(Figures(case.marts, case.period, case.basis, case.settings))
    assert outcomes.variation("o") == 2  # 98 and 102 about 100
    assert outcomes.not_started("o") == 3
    assert outcomes.variation("nobody") is None


def test_the_effect_in_one_sentence_as_a_contribution(case: Case) -> None:
    """The whole: 6.5 % better; Sales, not started, gained 3 %; before launch it varied by 2 %."""
    found = strategy(case)
    assert found.effect == (
        "Productivity index is 6.5 % above its baseline, the four quarters before launch, 3.5 "
        "points better than where the programme has not started; that is more than it varied "
        "before launch (2.0 %). Learning contributed, confidence some."
    )
    assert found.confidence == "some"  # one quarter is no more than that
    case.value("performance_improvement", "2.1", period=Period.parse("2026-Q2"), people=500,
               numerator="102.1", denominator=100)  # fmt: skip
    assert strategy(case).confidence == "strong"
    case.value("performance_improvement", "2.0", period=Period.parse("2026-Q2"), people=500,
               numerator=102, denominator=100)  # fmt: skip
    assert strategy(case).confidence == "some"


def test_without_units_to_compare_with_one_quarter_is_weak(case: Case) -> None:
    case.models["outcomes"] = [r for r in case.models["outcomes"] if r["org_unit_id"] != "s"]
    found = strategy(case)
    assert found.confidence == "weak"
    assert found.effect.endswith("Learning contributed, confidence weak.")


def test_units_that_moved_the_other_way_are_named_with_their_figure(case: Case) -> None:
    case.value("performance_improvement", "-4.2", unit="o", people=300, numerator="95.8",
               denominator=100)  # fmt: skip
    assert strategy(case).effect.endswith(
        "Learning contributed, confidence some. The other way moved Operations (-4.2 %)."
    )
    case.value("performance_improvement", "-4.2", unit="o", people=4, numerator="95.8",
               denominator=100)  # fmt: skip
    assert "other way" not in strategy(case).effect  # too few people to show


def test_an_outcome_that_is_to_fall_lies_below_its_baseline(case: Case) -> None:
    for row in case.models["outcomes"]:
        row["direction"] = "down"
    assert strategy(case).effect.startswith("Productivity index is 6.5 % below its baseline")


def test_the_cover_says_the_effect_where_nothing_else_can_be_judged(case: Case) -> None:
    assert case.build().sentence == (
        "Productivity index is 6.5 % above its baseline; learning contributed, confidence some; "
        "of the other measures it is too early to judge any; no decision is asked for."
    )
    monthly(case, "active_learner_rate", "concerning", "hit_and_miss")
    assert case.build().sentence == (
        "Productivity index is 6.5 % above its baseline; learning contributed, confidence some; "
        "the months up to September 2026 show concern about voluntary active learners; no decision "
        "is asked for."
    )


def monthly(case: Case, kpi_id: str, variation: str, assurance: str, points: int = 12,
            **more: Any) -> None:  # fmt: skip
    """The signal of the quarter's last month."""
    row = case.row("month_signals", period_start=date(2026, 9, 1), org_unit_id="whole",
                   kpi_id=kpi_id, variation=variation)  # fmt: skip
    edges = {"mean": D(60), "lower_limit": D(55), "upper_limit": D(65)}
    row.update({"assurance": assurance, "points": points, **edges, **more})


def test_a_target_is_reasoned_from_the_months_where_the_quarter_has_too_few_points(
    case: Case,
) -> None:
    """Three quarters only; the months' limits are 55 to 65 about 60, above the target of 50."""
    for back in range(3):
        case.value("on_time_completion_rate", 61, numerator=61, denominator=100, target=50,
                   period=Q3.shift(-back))  # fmt: skip
    case.signal("on_time_completion_rate", "too_few_points", "too_few_points", charted=61)

    def found() -> ProposedTarget:
        return {t.kpi_id: t for t in strategy(case).proposed}["on_time_completion_rate"]

    assert found().reasoning.startswith("Keep it: there are too few points")
    monthly(case, "on_time_completion_rate", "ordinary", "consistently_met", points=11)
    assert found().reasoning.startswith("Keep it: there are too few points")
    case.models["month_signals"][0]["points"] = 12
    assert found().proposed.text == "60.0 %"
    assert found().reasoning == (
        "Raise it to what the process gives on average: the target of 50.0 % is met reliably and "
        "asks for nothing more (by its months up to September 2026)."
    )
    case.models["month_signals"][0]["variation"] = "concerning"
    assert found().reasoning == (
        "Keep it: the process has changed for the worse; restore it first (by its months up to "
        "September 2026)."
    )


def test_an_outcome_that_fell_claims_no_contribution(case: Case) -> None:
    case.value("performance_improvement", "-1.5", people=500, numerator="98.5", denominator=100)
    found = strategy(case)
    assert found.effect == (
        "Productivity index is 1.5 % below its baseline, the four quarters before launch, 4.5 "
        "points worse than where the programme has not started; that is no more than it varied "
        "before launch (2.0 %). The other way moved Operations (+10.0 %)."
    )
    assert found.confidence == "none"


def test_without_an_outcome_no_effect_is_stated(quarter_case: Case) -> None:
    found = strategy(quarter_case)
    assert found.effect == (
        "No effect on the business outcome can be stated yet (no figures for this period)."
    )
    assert (found.confidence, found.goals, found.splits, found.proposed) == ("none", (), (), ())


@pytest.mark.parametrize(
    ("change", "varied", "other", "word"),
    [
        ("6", "2", "3", "strong"),  # 6 > 2 and 3 more than elsewhere, beyond 2
        ("6", "2", "5", "some"),  # 1 more than elsewhere, within 2
        ("6", "2", None, "some"),
        ("6", "2", "6", "weak"),
        ("6", "2", "9", "weak"),
        ("2", "2", "0", "weak"),
        ("1", None, None, "weak"),
        ("0", "2", "-9", "none"),
        ("-3", "2", "-9", "none"),
    ],
)
def test_the_word_of_confidence(change: str, varied: str | None, other: str | None,
                                word: str) -> None:  # fmt: skip
    given = [D(value) if value is not None else None for value in (varied, other)]
    assert confidence(D(change), *given, lasting=True) == word


@pytest.mark.parametrize(
    ("change", "varied", "other", "word"),
    [("6", "2", "3", "some"), ("6", "2", None, "weak"), ("6", "2", "6", "weak"),
     ("-1", "2", None, "none")],
)  # fmt: skip
def test_one_quarter_alone_is_never_strong(
    change: str, varied: str, other: str | None, word: str
) -> None:
    given = D(other) if other is not None else None
    assert confidence(D(change), D(varied), given, lasting=False) == word


# ---------------------------------------------------------------- splits


def split(case: Case, unit: str, mix: str, rate: str, **given: Any) -> None:
    case.row("change_split", kpi_id="active_learner_rate", org_unit_id=unit, mix=mix, rate=rate,
             **given)  # fmt: skip


def test_a_change_is_split_into_who_is_counted_and_the_rates(case: Case) -> None:
    case.value("active_learner_rate", 50, period=Period.parse("2026-Q2"), numerator=250,
               denominator=500, people=500)  # fmt: skip
    split(case, "", "0.5", "1.5", before=50, now=52)
    split(case, "o", "0.4", "2.0", before=30, now=33)
    split(case, "s", "0.1", "-0.5", before=20, now=19)
    case.signal("active_learner_rate", "ordinary", charted=52, mean=50, lower=45, upper=55)
    (found,) = strategy(case).splits
    assert (found.before.text, found.now.text, found.change.text) == (
        "50.0 %",
        "52.0 %",
        "+2.0 points",
    )
    assert (found.mix.text, found.rate.text) == ("+0.5 points", "+1.5 points")
    assert found.sentence == (
        "Voluntary active learners: +2.0 points on the quarter before, +1.5 points from the rates "
        "within units and +0.5 points from who is counted; no more than it usually changes."
    )
    assert found.units == ("Operations", "Sales")


def test_months_that_point_the_other_way_are_said_to(case: Case) -> None:
    """52 % after 54 %, too few quarters to judge, and the months improve."""
    case.signal("active_learner_rate", "too_few_points", "too_few_points", charted=52)
    case.value("active_learner_rate", 54, period=Period.parse("2026-Q2"), numerator=270,
               denominator=500, people=500)  # fmt: skip
    split(case, "", "0.0", "-2.0", before="54", now="52")
    for variation, said in (
        ("improving", "its months point the other way: an improvement that chance would seldom"),
        ("concerning", "by its months a change for the worse that chance would seldom give in"),
        ("ordinary", "by its months no clear change in September 2026."),
    ):
        case.models["month_signals"] = []
        monthly(case, "active_learner_rate", variation, "hit_and_miss")
        (found,) = strategy(case).splits
        assert said in found.sentence


def test_the_parts_of_a_split_add_up_as_they_are_printed(case: Case) -> None:
    """50.04 to 47.89 is 50.0 to 47.9: -2.1. Mix 0.04 prints as 0.0, so the rates are -2.1."""
    case.value("active_learner_rate", "47.89", numerator=239, denominator=500, people=500)
    case.value("active_learner_rate", 50, period=Period.parse("2026-Q2"), numerator=250,
               denominator=500, people=500)  # fmt: skip
    split(case, "", "0.04", "-2.19", before="50.04", now="47.89")
    (found,) = strategy(case).splits
    assert (found.change.text, found.mix.text, found.rate.text) == (
        "-2.1 points",
        "0.0 points",
        "-2.1 points",
    )


def test_the_split_names_no_small_unit_and_tells_of_no_small_whole(case: Case) -> None:
    case.unit("x", "whole", name="Office", headcount=3)
    case.value("active_learner_rate", 33, unit="x", people=3, numerator=1, denominator=3)
    case.value("active_learner_rate", 50, period=Period.parse("2026-Q2"), numerator=250,
               denominator=500, people=500)  # fmt: skip
    split(case, "", "0.5", "1.5", before=50, now=52)
    split(case, "x", "0", "9", before=0, now=9)
    split(case, "o", "0", "1", before=0, now=1)
    assert strategy(case).splits[0].units == ("Operations",)
    case.value("active_learner_rate", 50, period=Period.parse("2026-Q2"), numerator=2,
               denominator=4, people=4)  # fmt: skip
    assert strategy(case).splits == ()


# ---------------------------------------------------------------- success profiles


def month_signal(case: Case, unit: str, month: str, variation: str) -> None:
    case.row("month_signals", period_start=Period.parse(month).start, org_unit_id=unit,
             kpi_id="active_learner_rate", variation=variation)  # fmt: skip


def test_a_profile_says_what_improved_and_what_the_leaders_did(case: Case) -> None:
    assert strategy(case).profiles == ()  # adoption has not improved beyond doubt
    month_signal(case, "o", "2026-08", "improving")
    month_signal(case, "o", "2026-09", "ordinary")
    case.index("visible_weeks", 11, 13, org_unit_id="o", people=1)
    for number, (kind, day) in enumerate(
        [("town_hall", date(2026, 7, 2)), ("email", date(2026, 8, 3)), ("email", date(2026, 9, 3)),
         ("email", date(2026, 6, 30))]  # of the quarter before
    ):  # fmt: skip
        case.row("leader_actions", action_id=f"a{number}", person_id="p1", org_unit_id="o",
                 kind=kind, happened_on=day)  # fmt: skip
    assert strategy(case).profiles == (
        "Operations: productivity index 10.0 % better than before launch, and voluntary active "
        "learners above its usual range within the quarter (60.0 % in all). Its sponsor was "
        "visible in 11 of 13 weeks; seen of its leaders: two emails and one town hall.",
    )
    case.row("leader_actions", action_id="a9", person_id="p1", org_unit_id="o",
             kind="review_attended", visibility="none", happened_on=date(2026, 9, 9))  # fmt: skip
    assert "review" not in strategy(case).profiles[0]
    case.models["leader_indices"], case.models["leader_actions"] = [], []
    assert strategy(case).profiles[0].endswith("Of its leaders there is no record.")
    month_signal(case, "o", "2026-07", "concerning")
    assert strategy(case).profiles == ()


def test_no_profile_where_the_outcome_moved_no_more_than_before_launch(case: Case) -> None:
    case.signal("active_learner_rate", "improving", unit="o")
    assert len(strategy(case).profiles) == 1
    case.value("performance_improvement", 2, unit="o", people=300, numerator=102, denominator=100)
    assert strategy(case).profiles == ()


# ---------------------------------------------------------------- targets and commitments


def proposed(case: Case, value: Any, target: Any, variation: str, assurance: str,
             mean: Any = 60, low: Any = 55, high: Any = 65) -> ProposedTarget:  # fmt: skip
    for back in range(12):
        case.value("on_time_completion_rate", value, numerator=value, denominator=100,
                   period=Q3.shift(-back), target=target)  # fmt: skip
    case.signal("on_time_completion_rate", variation, assurance, charted=value, mean=mean,
                lower=low, upper=high)  # fmt: skip
    found = {each.kpi_id: each for each in strategy(case).proposed}
    return found["on_time_completion_rate"]


@pytest.mark.parametrize(
    ("value", "target", "variation", "assurance", "text", "reason"),
    [
        (61, 50, "ordinary", "consistently_met", "60.0 %", "Raise it to what the process gives"),
        (61, 60, "ordinary", "consistently_met", "60.0 %", "Keep it: it is what the process"),
        (61, 80, "ordinary", "consistently_missed", "80.0 %", "Keep it and fund the way there"),
        (61, 60, "ordinary", "hit_and_miss", "60.0 %", "Keep it: chance alone decides"),
        (61, 50, "concerning", "consistently_met", "50.0 %", "Keep it: the process has changed"),
        (61, 60, "improving", "hit_and_miss", "60.0 %", "Keep it: the process has changed for"),
        (61, 50, "improving", "consistently_met", "60.0 %", "Raise it to what the process gives"),
        (61, 50, "too_few_points", "too_few_points", "50.0 %", "Keep it: there are too few"),
    ],
)
def test_targets_proposed_with_the_reasoning(
    case: Case, value: int, target: int, variation: str, assurance: str, text: str, reason: str
) -> None:
    found = proposed(case, value, target, variation, assurance)
    assert (found.target.text, found.proposed.text) == (f"{target}.0 %", text)
    assert found.reasoning.startswith(reason)


def test_a_stock_is_forecast_by_its_months_where_its_quarters_are_too_few(case: Case) -> None:
    """80 % certified, +0.5 points a month on average, at most 1.5 away from it: three months on
    81.5 %, give or take 1.5 times the square root of 3, 2.6."""
    case.value("certification_rate", 80, numerator=400, denominator=500, target=90)
    case.signal("certification_rate", "too_few_points", "too_few_points", charted=80)

    def found() -> tuple[str | None, str | None]:
        card = case.build()
        assert inconsistencies(card, case.marts) == []
        (kpi,) = [k for k in card.kpis if k.kpi_id == "certification_rate"]
        return kpi.forecast.text if kpi.forecast else None, kpi.forecast_range

    assert found() == (None, None)
    gains = {"mean": D("0.5"), "lower_limit": D("-1.0"), "upper_limit": D("2.0")}
    monthly(case, "certification_rate", "ordinary", "consistently_met", basis="net_gain", **gains)
    assert found() == ("81.5 %", "78.9 to 84.1 %")
    reasons = {each.kpi_id: each.reasoning for each in strategy(case).proposed}
    assert "Keep it: chance alone" in reasons["certification_rate"]  # 80 % is not 90 %
    case.models["month_signals"][0]["variation"] = "concerning"
    assert found() == (None, None)
    # what is counted over a period is another number for a quarter than for a month
    case.models["month_signals"] = []
    monthly(case, "active_learner_rate", "ordinary", "hit_and_miss", basis="level")
    assert found() == (None, None)
    assert all(kpi.forecast is None for kpi in case.build().kpis)


def test_a_target_of_days_is_tightened_downwards(case: Case) -> None:
    for back in range(12):
        case.value("time_to_competency", 41, period=Q3.shift(-back), numerator=60, denominator=80,
                   target=60)  # fmt: skip
    case.signal("time_to_competency", "ordinary", "consistently_met", charted=41, mean="42.4",
                lower=36, upper=49)  # fmt: skip
    (found,) = [each for each in strategy(case).proposed if each.kpi_id == "time_to_competency"]
    assert found.proposed.text == "42 days"
    assert found.reasoning == (
        "Tighten it to what the process gives on average: the target of 60 days is met reliably "
        "and asks for nothing more."
    )


def test_a_kpi_without_target_or_of_too_few_people_gets_none_new(case: Case) -> None:
    case.value("certification_rate", 50, numerator=2, denominator=4, people=4, target=90)
    found = {each.kpi_id: each for each in strategy(case).proposed}
    assert set(found) == {"performance_improvement", "certification_rate"}
    assert found["certification_rate"].reasoning == "Keep it: too few people to show for Q3 2026."
    assert found["certification_rate"].proposed == found["certification_rate"].target


def test_commitments_open_or_settled_in_the_quarter(case: Case) -> None:
    for entry_id, given in {
        "open": {"status": "open"},
        "late": {"status": "overdue", "first_due_on": date(2026, 9, 1)},
        "kept": {"status": "done", "closed_on": date(2026, 7, 1)},
        "long kept": {"status": "done", "closed_on": date(2026, 6, 30)},
        "withdrawn": {"status": "withdrawn"},
    }.items():
        case.log(entry_id, kind="commitment", asked_on=date(2026, 5, 5), **given)
    case.log("decision", asked_on=date(2026, 5, 5))
    assert [e.entry_id for e in strategy(case).commitments] == ["kept", "late", "open"]
