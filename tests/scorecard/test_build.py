"""The scorecard from hand-built rows: each figure, state and sentence."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.draft import to_json

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any

D = Decimal
OCTOBER = Period.parse("2026-10")


def test_a_quiet_month(full_case: Case) -> None:
    card = full_case.build()
    assert [k.now.text for k in card.kpis] == ["+3.4 %", "41 days", "91.2 %", "87.0 %", "53.2 %"]
    assert [k.period_label for k in card.kpis] == ["Q3 2026", *["October 2026"] * 4]
    assert [k.kpi_id for k in card.below] == ["adoption_velocity", "seat_use"]
    assert card.below[1].beside[0].figure.text == "GBP 2,400"
    assert card.sentence == (
        "No measure shows a clear change; nothing needs deciding, so the sitting can be skipped."
    )
    assert card.nothing_to_decide
    assert card.top_risk is None
    assert card.decisions == ()
    assert card.ritual == "monthly"
    assert inconsistencies(card, full_case.marts) == []
    certified, on_time = card.kpis[2], card.kpis[3]
    assert [b.figure.text for b in certified.beside] == ["4"]
    assert [b.figure.text for b in on_time.beside] == ["31", "no data", "no data"]
    assert (certified.numerator.text, certified.denominator.text) == ("456", "500")
    assert card.kpis[1].interval_text == "95 % interval 38 to 47 days"
    assert [k.owner for k in card.kpis] == [
        "Ada Byron",
        "Grace Hopper",
        "Grace Hopper",
        "Alan Turing",
        "programme lead",  # not a leader's role: no name
    ]


# ---------------------------------------------------------------- states of a figure


def test_zero_no_data_suppressed_and_not_reached_are_told_apart(case: Case) -> None:
    case.value("on_time_completion_rate", 0, numerator=0, denominator=40, people=40)
    case.value("active_learner_rate", None, numerator=0, denominator=0, people=0,
               reason="nobody_eligible")  # fmt: skip
    case.value("certification_rate", 50, numerator=2, denominator=4, people=4)
    case.value("time_to_competency", None, numerator=10, denominator=40, lower=60, people=40)
    kpis = {k.kpi_id: k for k in case.build().kpis}
    zero = kpis["on_time_completion_rate"].now
    assert (zero.state, zero.value, zero.text) == ("value", D("0.0"), "0.0 %")
    nothing = kpis["active_learner_rate"].now
    assert (nothing.state, nothing.text, nothing.reason) == (
        "no_data",
        "no data",
        "nobody eligible",
    )
    few = kpis["certification_rate"]
    assert (few.now.state, few.now.text) == ("suppressed", "too few people to show")
    late = kpis["time_to_competency"]
    assert (late.now.state, late.now.text) == ("not_reached", "not reached")
    assert late.interval_text == "95 % interval from 60 days, upper end not reached"
    assert kpis["performance_improvement"].now.state == "no_data"


def test_the_reason_not_reached_is_understood_too(case: Case) -> None:
    case.value("time_to_competency", None, denominator=40, people=40, reason="not_reached")
    assert case.kpi("time_to_competency").now.state == "not_reached"
    case.value("time_to_competency", None, denominator=40, people=40, reason="no clock started")
    assert case.kpi("time_to_competency").now.state == "no_data"
    # too few people come before 'not reached', which would tell of them
    case.value("time_to_competency", None, denominator=3, people=3, reason="not_reached")
    assert case.kpi("time_to_competency").now.state == "suppressed"


def test_a_count_of_nobody_is_a_zero_not_a_secret(case: Case) -> None:
    case.value("mandatory_overdue_today", 0, numerator=0, denominator=500, people=0)
    figures = {b.kpi_id: b.figure for b in case.kpi("on_time_completion_rate").beside}
    assert figures["mandatory_overdue_today"].text == "0"
    case.value("mandatory_overdue_today", 3, numerator=3, denominator=500, people=3)
    figures = {b.kpi_id: b.figure for b in case.kpi("on_time_completion_rate").beside}
    assert figures["mandatory_overdue_today"].state == "suppressed"


def test_a_suppressed_kpi_tells_nothing_anywhere(full_case: Case) -> None:
    full_case.value("active_learner_rate", "33.3", numerator=1, denominator=3, people=3, lower=1,
                    upper=60)  # fmt: skip
    full_case.signal("active_learner_rate", "concerning", "consistently_missed", charted="33.3",
                     mean=53, lower=48, upper=58, rules="outside_limits")  # fmt: skip
    card = full_case.build()
    kpi = card.kpis[4]
    assert {kpi.now.state, kpi.numerator.state, kpi.denominator.state} == {"suppressed"}
    assert kpi.year_to_date.state == "suppressed"
    assert (kpi.limits, kpi.interval_text, kpi.series[-1].value) == (None, None, None)
    assert kpi.series[-1].signal is None
    assert (kpi.mark.text, kpi.mark.tone) == ("Too few people to show", "neutral")
    assert kpi.finding == "Voluntary active learners: too few people to show."
    assert kpi.same_period_last_year.text == "53.2 %"
    assert card.nothing_to_decide and card.top_risk is None
    assert "33.3" not in to_json(card).decode()
    assert inconsistencies(card, full_case.marts) == []


def test_limits_and_year_do_not_give_a_hidden_past_month_away(full_case: Case) -> None:
    """Mean and year to date are sums: with all other months shown they would tell the one."""
    march = Period.parse("2026-03")
    full_case.value("on_time_completion_rate", "66.7", period=march, numerator=2, denominator=3,
                    people=3)  # fmt: skip
    full_case.signal("on_time_completion_rate", "concerning", charted=87, mean=88, lower=88,
                     upper=91)  # fmt: skip
    kpi = full_case.kpi("on_time_completion_rate")
    assert [p.value for p in kpi.series if p.period_id == "2026-03"] == [None]
    assert kpi.now.text == "87.0 %"
    assert kpi.limits is None
    assert kpi.year_to_date.state == "suppressed"
    assert kpi.finding == (
        "Mandatory learning on time: a clear change (concerning) at 87.0 % in October 2026; the "
        "usual range is not shown."
    )
    # limits that were drawn anew after that month stand without it
    full_case.signal("on_time_completion_rate", "concerning", charted=87, mean=88, lower=88,
                     upper=91, rebased_on=date(2026, 4, 1))  # fmt: skip
    assert full_case.kpi("on_time_completion_rate").limits is not None


def test_the_change_to_a_hidden_month_is_hidden(full_case: Case) -> None:
    full_case.value("certification_rate", "50", period=Period.parse("2026-09"), numerator=2,
                    denominator=4, people=4)  # fmt: skip
    kpi = full_case.kpi("certification_rate")
    assert [p.value for p in kpi.charted][-2:] == [None, None]
    assert kpi.charted[-3].value == D("0.2")
    assert kpi.series[-1].value == D("91.2")


def test_people_unknown_fall_back_to_headcount(case: Case) -> None:
    case.unit("team", "whole", headcount=4)
    case.unit("dept", "whole", headcount=40)
    quarter = Period.parse("2026-Q3")
    for unit in ("whole", "team", "dept"):
        case.value("performance_improvement", 2, unit=unit, period=quarter, people=None)
    figures = {u.org_unit_id: u.figures["performance_improvement"] for u in case.build().units}
    assert figures["team"].state == "suppressed"
    assert figures["whole"].state == "value"
    case.value("performance_improvement", 2, unit="team", period=quarter, people=0)
    figures = {u.org_unit_id: u.figures["performance_improvement"] for u in case.build().units}
    assert figures["team"].state == "suppressed"  # a value stands for somebody


# ---------------------------------------------------------------- units


def test_units_in_tree_order_with_complements_hidden(full_case: Case) -> None:
    for unit, parent, name, people in (
        ("s", "whole", "Sales", 200),
        ("o", "whole", "Operations", 297),
        ("x", "whole", "Executive office", 3),
        ("o1", "o", "Night shift", 97),
        ("o2", "o", "Day shift", 200),
    ):
        full_case.unit(unit, parent, name=name, headcount=people, depth=2 if parent == "o" else 1)
        full_case.value("active_learner_rate", 50, unit=unit, numerator=people // 2,
                        denominator=people, people=people)  # fmt: skip
        full_case.signal("active_learner_rate", "concerning", unit=unit)
    full_case.value("active_learner_rate", "53.2", numerator=266, denominator=500, people=500)
    card = full_case.build()
    assert [(u.name, u.depth) for u in card.units] == [
        ("Acme", 0),
        ("Executive office", 1),
        ("Operations", 1),
        ("Day shift", 2),
        ("Night shift", 2),
        ("Sales", 1),
    ]
    states = {u.name: u.figures["active_learner_rate"].state for u in card.units}
    assert states == {
        "Acme": "value",
        "Executive office": "suppressed",
        "Sales": "suppressed",  # the smallest sibling, else whole - siblings gives it away
        "Operations": "value",
        "Day shift": "value",
        "Night shift": "value",
    }
    headcounts = {u.name: u.headcount.text for u in card.units}
    assert headcounts["Executive office"] == headcounts["Sales"] == "too few people to show"
    assert [u.name for u in card.units if u.signals] == ["Operations", "Day shift", "Night shift"]
    assert card.units[2].figures["certification_rate"].state == "no_data"
    assert inconsistencies(card, full_case.marts) == []


def test_no_small_group_can_be_computed_from_any_column(case: Case) -> None:
    """Random organisations: rank of the shown cells, for every KPI column and the headcount."""
    chance = random.Random(11)
    monthly = ["certification_rate", "on_time_completion_rate", "active_learner_rate"]
    hidden_cells = 0
    for _ in range(60):
        case.units, case.values = [], {}
        size = chance.randint(2, 8)
        names = ["whole", *(f"u{i}" for i in range(1, size))]
        parents = {n: names[chance.randrange(i)] for i, n in enumerate(names) if i}
        below = {n: {n} for n in names}
        for name in reversed(names[1:]):
            below[parents[name]] |= below[name]
        own = {
            column: {n: chance.choice([0, 1, 2, 4, 5, 8, 30]) for n in names}
            for column in [*monthly, "headcount"]
        }
        rolled = {c: {n: sum(own[c][m] for m in below[n]) for n in names} for c in own}
        for name in names:
            case.unit(name, parents.get(name), headcount=rolled["headcount"][name])
            for kpi in monthly:
                count = rolled[kpi][name]
                case.value(kpi, 50 if count else None, unit=name, numerator=D(count) / 2,
                           denominator=count, people=count)  # fmt: skip
        card = case.build()
        assert inconsistencies(card, case.marts) == []
        for column in own:
            shown = []
            for unit in card.units:
                figure = unit.headcount if column == "headcount" else unit.figures[column]
                hidden_cells += figure.state == "suppressed"
                if figure.state != "suppressed":
                    shown.append(unit.org_unit_id)
            atoms = [n for n in names if own[column][n]]
            if not atoms:
                continue
            matrix = np.array(
                [[float(a in below[s]) for a in atoms] for s in shown] or [[0.0] * len(atoms)]
            )
            groups = np.array(list(product((0.0, 1.0), repeat=len(atoms)))[1:])
            exact = np.abs(groups - groups @ (np.linalg.pinv(matrix) @ matrix)).max(axis=1) < 1e-9
            sizes = groups[exact] @ np.array([float(own[column][a]) for a in atoms])
            assert not ((sizes > 0) & (sizes < 5)).any()
    assert hidden_cells > 200


def test_a_quarterly_column_is_protected_by_the_quarter_s_own_tree(case: Case) -> None:
    """In the quarter the team sat under Sales; in the month it sits under Operations."""
    quarter = Period.parse("2026-Q3")
    case.unit("sales", "whole", headcount=40)
    case.unit("ops", "whole", headcount=60)
    case.unit("team", "ops", headcount=3)
    case.unit("other", "sales", headcount=10)
    for unit, parent in (("whole", None), ("sales", "whole"), ("ops", "whole"), ("team", "sales"),
                         ("other", "sales")):  # fmt: skip
        case.unit(unit, parent, headcount=1, period=quarter)
    for unit, people in (("whole", 100), ("sales", 43), ("ops", 57), ("team", 3), ("other", 40)):
        case.value("performance_improvement", 1, unit=unit, period=quarter, people=people)
    states = {u.org_unit_id: u.figures["performance_improvement"].state for u in case.build().units}
    assert states["team"] == "suppressed"
    assert states["other"] == "suppressed"  # sales = team + other, all of it
    assert states["sales"] == states["ops"] == "value"


def test_an_empty_unit_and_a_unit_without_name(full_case: Case) -> None:
    full_case.unit("empty", "whole", headcount=0)
    full_case.units[-1]["name"] = None
    row = full_case.build().units[1]
    assert (row.name, row.headcount.text) == ("empty", "0")
    assert row.figures["active_learner_rate"].state == "no_data"


def test_without_catalogue_or_units_there_is_no_page(case: Case) -> None:
    case.units = []
    with pytest.raises(Problem, match="no org unit is published for 2026-10"):
        case.build()
    case.catalogue = []
    with pytest.raises(Problem, match="no KPI catalogue"):
        case.build()


# ---------------------------------------------------------------- series, limits, year


def test_series_start_with_the_first_figure_and_keep_gaps(case: Case) -> None:
    for back, value in ((20, 1), (5, 50), (4, None), (2, 52), (0, 54)):
        case.value("active_learner_rate", value, period=OCTOBER.shift(-back), numerator=1,
                   denominator=100)  # fmt: skip
    case.signal("active_learner_rate", "improving", period=OCTOBER.shift(-2))
    case.signal("active_learner_rate", "concerning", period=OCTOBER.shift(-4))
    kpi = case.kpi("active_learner_rate")
    assert [(p.period_id, p.value, p.signal) for p in kpi.series] == [
        ("2026-05", D(50), None),
        ("2026-06", None, None),
        ("2026-07", None, None),
        ("2026-08", D(52), "improving"),
        ("2026-09", None, None),
        ("2026-10", D(54), None),
    ]
    assert kpi.charted == kpi.series
    assert [p.label for p in kpi.series][:2] == ["May 2026", "Jun 2026"]


def test_later_periods_are_as_if_they_did_not_exist(full_case: Case) -> None:
    before = to_json(full_case.build())
    november = OCTOBER.shift(1)
    full_case.value("active_learner_rate", 99, period=november, numerator=99, denominator=100)
    full_case.signal("active_learner_rate", "improving", period=november, charted=99)
    full_case.value("seat_use", 1, period=Period.parse("2026-Q4"), numerator=1, denominator=100)
    assert to_json(full_case.build()) == before


def test_limits_stay_within_what_the_unit_allows(full_case: Case) -> None:
    full_case.signal(
        "on_time_completion_rate", "ordinary", charted=87, mean=92, lower=-3, upper=109
    )
    limits = full_case.kpi("on_time_completion_rate").limits
    assert limits is not None
    assert (limits.lower, limits.upper) == (D(0), D(100))


def test_too_few_points(case: Case) -> None:
    case.value("active_learner_rate", "53.2", numerator=266, denominator=500)
    case.signal("active_learner_rate", "too_few_points", "too_few_points", points=7)
    kpi = case.kpi("active_learner_rate")
    assert kpi.limits is None
    assert kpi.mark.text == "Too early to judge"
    assert kpi.finding == (
        "Voluntary active learners: 53.2 % in October 2026; too early to judge, with 7 "
        "of the 12 points needed."
    )
    card = case.build()
    assert card.sentence == (
        "It is too early to judge any measure: none has enough points yet; no decision is asked "
        "for."
    )
    case.signals = {}
    assert "1 of the 12 points" in case.kpi("active_learner_rate").finding


def test_year_to_date_is_a_sum_over_a_sum_from_january(case: Case) -> None:
    case.value("active_learner_rate", 90, period=Period.parse("2025-12"), numerator=900,
               denominator=1000)  # fmt: skip
    case.value("active_learner_rate", 10, period=Period.parse("2026-01"), numerator=1,
               denominator=10)  # fmt: skip
    case.value("active_learner_rate", None, period=Period.parse("2026-02"), numerator=0,
               denominator=0, people=0)  # fmt: skip
    case.value("active_learner_rate", 50, numerator=500, denominator=1000)
    kpi = case.kpi("active_learner_rate")
    assert kpi.year_to_date.text == "49.6 %"  # 501 of 1,010; the average of rates would be 30 %
    assert kpi.same_period_last_year.state == "no_data"


def test_year_to_date_of_amounts_and_of_what_does_not_add_up(quarter_case: Case) -> None:
    case = quarter_case
    for quarter, cost in (("2025-Q4", 9), ("2026-Q1", 1000), ("2026-Q2", 1200), ("2026-Q3", 2400)):
        case.value("idle_seat_cost", cost, period=Period.parse(quarter), numerator=cost,
                   denominator=600)  # fmt: skip
        case.value("seat_use", 80, period=Period.parse(quarter), numerator=480, denominator=600)
    case.catalogue = [
        r for r in case.catalogue if r["kpi_id"] != "seat_use"
    ]  # show the cost itself
    cost_kpi = case.kpi("idle_seat_cost")
    assert cost_kpi.year_to_date.text == "GBP 4,600"
    assert cost_kpi.now.text == "GBP 2,400"
    for kpi in case.build().kpis:
        if kpi.kpi_id in ("performance_improvement", "time_to_competency", "certification_rate"):
            assert (kpi.year_to_date.state, kpi.year_to_date.reason) == ("no_data", "not additive")


@pytest.mark.parametrize(
    ("month", "quarter"),
    [
        ("2026-10", "Q3 2026"),
        ("2026-09", "Q3 2026"),
        ("2026-08", "Q2 2026"),
        ("2026-01", "Q4 2025"),
    ],
)
def test_quarterly_kpis_are_of_the_last_quarter_that_had_ended(month: str, quarter: str) -> None:
    from orchestration.scorecard.marts import latest_ended

    assert latest_ended(Grain.QUARTER, Period.parse(month)).label == quarter


def test_an_older_quarter_stands_in_and_says_so(case: Case) -> None:
    case.value("performance_improvement", "1.5", period=Period.parse("2026-Q2"), numerator=1,
               denominator=100)  # fmt: skip
    kpi = case.kpi("performance_improvement")
    assert (kpi.now.text, kpi.period_label) == ("+1.5 %", "Q2 2026")
    case.values = {}
    kpi = case.kpi("performance_improvement")
    assert (kpi.now.text, kpi.period_label) == ("no data", "Q3 2026")


def test_leap_february_against_the_february_before(case: Case) -> None:
    leap = Period.parse("2028-02")
    assert leap.end == date(2028, 2, 29)
    case.period, case.units = leap, []
    case.unit("whole", name="Acme")
    case.value("active_learner_rate", 60, numerator=60, denominator=100)
    case.value("active_learner_rate", 50, period=Period.parse("2027-02"), numerator=5,
               denominator=10)  # fmt: skip
    case.value("active_learner_rate", 40, period=Period.parse("2028-01"), numerator=40,
               denominator=100)  # fmt: skip
    kpi = case.kpi("active_learner_rate")
    assert kpi.same_period_last_year.text == "50.0 %"
    assert kpi.year_to_date.text == "50.0 %"
    assert case.build().period_end == date(2028, 2, 29)


def test_the_quarterly_scorecard_has_everything_at_its_own_grain(quarter_case: Case) -> None:
    for row in quarter_case.catalogue:
        quarter_case.value(row["kpi_id"], 50, numerator=50, denominator=100)
    card = quarter_case.build()
    assert card.ritual == "quarterly"
    assert {k.period_label for k in (*card.kpis, *card.below)} == {"Q3 2026"}
    assert inconsistencies(card, quarter_case.marts) == []


def test_the_weekly_scorecard_falls_back_to_coarser_grains(case: Case) -> None:
    case.period, case.units = Period.parse("2026-W45"), []  # 2 to 8 November
    case.unit("whole", name="Acme")
    case.value("active_learner_rate", 20, numerator=20, denominator=100)
    case.value("certification_rate", 90, period=OCTOBER, numerator=90, denominator=100)
    case.value("performance_improvement", 2, period=Period.parse("2026-Q3"), numerator=2,
               denominator=100)  # fmt: skip
    card = case.build()
    assert [k.period_label for k in card.kpis] == [
        "Q3 2026",
        "October 2026",
        "October 2026",
        "Week 45, 2026",
        "Week 45, 2026",
    ]
    assert card.decisions == ()
    assert inconsistencies(card, case.marts) == []


# ---------------------------------------------------------------- the sentence


def test_one_signal_is_named(full_case: Case) -> None:
    full_case.value("active_learner_rate", "63.2", numerator=316, denominator=500)
    full_case.signal("active_learner_rate", "improving", charted="63.2", mean=53, lower=48,
                     upper=58, rules="outside_limits")  # fmt: skip
    card = full_case.build()
    assert card.sentence == (
        "Voluntary active learners rose above the usual range (63.2 % in October 2026); no "
        "decision is asked for."
    )
    assert card.kpis[4].finding == (
        "Voluntary active learners rose above the usual range: 63.2 % in October 2026, usually "
        "48.0 to 58.0 %."
    )
    assert not card.nothing_to_decide
    assert card.top_risk is None


def test_what_concerns_comes_first_and_the_rest_is_counted(full_case: Case) -> None:
    full_case.signal("time_to_competency", "improving", charted=41, mean=45, lower=42, upper=49)
    full_case.signal(
        "active_learner_rate", "concerning", charted="53.2", mean=60, lower=56, upper=65
    )
    card = full_case.build()
    assert card.sentence == (
        "Voluntary active learners stayed below the usual range for 13 months or more (53.2 % in "
        "October 2026), alongside improvement in days to competency; one decision is asked for: "
        "fund a campaign for voluntary active learners in the whole organisation."
    )
    assert card.top_risk == card.kpis[4].finding


def test_no_sentence_claims_a_change_without_a_signal(full_case: Case) -> None:
    """Whatever the values do: ordinary variation is never worded as movement."""
    chance = random.Random(3)
    claims = ("rose", "fell", "moved", "gained", "improving", "concern", "better", "worse")
    for _ in range(40):
        for back in range(13):
            full_case.value("active_learner_rate", chance.randint(0, 100), numerator=1,
                            denominator=100, period=OCTOBER.shift(-back))  # fmt: skip
        card = full_case.build()
        said = [card.sentence, *(k.finding for k in (*card.kpis, *card.below))]
        assert not [text for text in said for claim in claims if claim in text]
        assert {k.mark.tone for k in card.kpis} == {"neutral"}


def test_a_series_whose_group_changed_for_good_is_cautioned(full_case: Case) -> None:
    """A wave that passes is none; a group that stays another one is."""
    assert full_case.kpi("time_to_competency").caution is None
    for back, cases in ((0, 194), (1, 183), (2, 181), (3, 70), (4, 81)):
        full_case.value("time_to_competency", 41, period=OCTOBER.shift(-back), numerator=60,
                        denominator=cases, target=45)  # fmt: skip
    assert full_case.kpi("time_to_competency").caution == (
        "2.6 times as many cases since August 2026: compare with care."
    )
    for kpi in ("time_to_competency", "active_learner_rate"):
        full_case.signal(kpi, "improving", charted=60, mean=50, lower=45, upper=55)
    assert "days to competency" not in full_case.build().sentence
    full_case.value("time_to_competency", 41, period=OCTOBER.shift(-4), numerator=3,
                    denominator=4, people=4)  # fmt: skip
    assert full_case.kpi("time_to_competency").caution is None  # would tell of a small group
    full_case.value("on_time_completion_rate", "87.0", period=OCTOBER.shift(-3), numerator=3480,
                    denominator=4000)  # fmt: skip
    assert full_case.kpi("on_time_completion_rate").caution is None


# ---------------------------------------------------------------- the rest of the page


def test_leadership_says_no_record_never_absence(case: Case) -> None:
    case.value("sponsor_visible_weeks", 9, numerator=9, denominator=13, people=1)
    case.value("leaders_flagship_completed", 25, numerator=1, denominator=4, people=4)
    case.value("commitments_closed_on_time", None, people=0, reason="no record")
    items = {i.kpi_id: i.figure for i in case.build().leadership}
    assert items["sponsor_visible_weeks"].text == "9 of 13"
    assert items["leaders_flagship_completed"].text == "1 of 4"  # leaders in their role: shown
    assert items["commitments_closed_on_time"].text == "no record"
    case.value("sponsor_visible_weeks", None, denominator=0, people=1,
               reason="on leave throughout")  # fmt: skip
    assert case.build().leadership[0].figure.reason is None
    case.value("sponsor_visible_weeks", None, people=1, reason="no sponsor named")
    assert case.build().leadership[0].figure.reason == "no sponsor named"
    case.values = {}
    items = {i.kpi_id: i.figure for i in case.build().leadership}
    assert {f.text for f in items.values()} == {"no record"}


def test_a_week_without_action_is_a_zero_where_it_was_recorded(case: Case) -> None:
    case.value("sponsor_visible_weeks", 0, numerator=0, denominator=13, people=1)
    assert case.build().leadership[0].figure.text == "0 of 13"


def left_out(case: Case, **people: int) -> dict[str, str]:
    case.exclusions = []
    for reason, count in people.items():
        case.excluded(reason, count)
    case.excluded("on_leave", 50, line="contractor")
    return {e.reason: e.people.text for e in case.build().exclusions}


def test_exclusions_hide_small_reasons_and_a_complement(case: Case) -> None:
    few = "too few people to show"
    # on leave and joiners are what headcount holds beyond the eligible: their sum is known
    assert left_out(case, on_leave=3, not_yet_31_days=30, left=9) == {
        "left before the period ended": "9",
        "joined less than 31 days ago": few,
        "on leave for most of the period": few,
    }
    assert left_out(case, on_leave=30, not_yet_31_days=8, left=2, not_yet_hired=6) == {
        "on leave for most of the period": "30",
        "joined less than 31 days ago": "8",
        "not yet hired": "6",
        "left before the period ended": few,
    }
    assert left_out(case) == {}


def test_counts_do_not_number_the_few_they_leave_out(case: Case) -> None:
    """500 heads, 497 eligible: the denominator would say that three are on leave."""
    case.value("active_learner_rate", "50.3", numerator=250, denominator=497, people=497)
    kpi = case.kpi("active_learner_rate")
    assert kpi.now.text == "50.3 %"
    assert {kpi.numerator.state, kpi.denominator.state} == {"suppressed"}
    for eligible in (500, 495):
        case.value("active_learner_rate", "50.3", numerator=250, denominator=eligible,
                   people=eligible)  # fmt: skip
        assert case.kpi("active_learner_rate").denominator.text == str(eligible)


def test_contractors_have_their_own_line(case: Case) -> None:
    case.value("active_learner_rate", 20, line="contractor", numerator=4, denominator=20, people=20)
    case.value("on_time_completion_rate", 50, line="contractor", numerator=2, denominator=4,
               people=4)  # fmt: skip
    lines = {c.kpi_id: c.figure.text for c in case.build().contractors}
    assert lines == {
        "active_learner_rate": "20.0 %",
        "on_time_completion_rate": "too few people to show",
    }


def test_annotations_are_those_of_the_charted_months(case: Case) -> None:
    case.initiative("Long gone", date(2024, 1, 1), date(2025, 9, 30))
    case.initiative("Old but running", date(2024, 1, 1))
    case.initiative("Launch", date(2026, 3, 31), kind="process_change")
    case.initiative("Still to come", date(2026, 11, 1))
    found = [(a.title, a.kind, a.period_id) for a in case.build().annotations]
    assert found == [
        ("Old but running", "launch", "2025-10"),
        ("Launch", "process change", "2026-03"),
    ]


def test_feeds_and_staleness_come_from_the_close(case: Case) -> None:
    case.feed("people", "complete", date(2026, 10, 31))
    assert case.build().stale_note is None
    case.feed("activity", "stale", date(2026, 10, 12))
    case.feed("initiatives", "not_connected")
    case.feed("leader_actions", "missing")
    card = case.build()
    assert card.stale_note == "activity as of 12 October 2026; leader actions missing"
    case.feed("people", "stale", date(2026, 10, 12))
    assert case.build().stale_note == (
        "activity and people as of 12 October 2026; leader actions missing"
    )
    for name in ("courses", "enrolments"):
        case.feed(name, "stale", date(2026, 10, 12))
    assert case.build().stale_note == "4 feeds as of 12 October 2026; leader actions missing"
    assert len(card.feeds) == 4
    assert card.top_risk == f"Figures stand on incomplete data: {card.stale_note}."


def test_a_figure_whose_data_is_behind_is_shown_and_not_judged(full_case: Case) -> None:
    """What was not delivered looks like what was not done: no change is claimed of it."""
    full_case.unit("o", "whole", name="Operations", headcount=200)
    full_case.value("on_time_completion_rate", 30, unit="o", numerator=30, denominator=100)
    for unit in ("whole", "o"):
        full_case.signal("on_time_completion_rate", "concerning", "consistently_missed", unit=unit,
                         charted=30, mean=90, lower=80, upper=100)  # fmt: skip
    full_case.signal("active_learner_rate", "ordinary")
    card = full_case.build()
    assert {k.kpi_id: k.mark.tone for k in card.kpis}["on_time_completion_rate"] == "bad"
    full_case.feed("people", "stale", date(2026, 10, 30))  # of who they are little changes
    assert full_case.build().kpis == card.kpis

    full_case.feed("enrolments", "stale", date(2026, 10, 12))
    card = full_case.build()
    kpi = next(k for k in card.kpis if k.kpi_id == "on_time_completion_rate")
    assert kpi.now.state == "value"
    assert (kpi.mark.text, kpi.mark.tone, kpi.mark.variation, kpi.limits) == (
        "Not judged, its data is behind", "neutral", "no_data", None,
    )  # fmt: skip
    assert kpi.finding.endswith(" in October 2026; not judged, its data is behind.")
    assert kpi.series[-1].signal is None and kpi.forecast is None
    assert not any("on_time_completion_rate" in unit.signals for unit in card.units)
    assert card.sentence == (
        "No measure whose data is complete shows a clear change; no decision is asked for."
    )
    assert card.top_risk == f"Figures stand on incomplete data: {card.stale_note}."
    assert inconsistencies(card, full_case.marts) == []
    for feed in ("activity", "certifications", "assessments"):
        full_case.feed(feed, "missing")
    quarter = Period.parse("2026-Q3")
    full_case.signal("performance_improvement", "too_few_points", period=quarter)
    assert full_case.build().sentence.startswith("No measure can be judged: data is behind; ")


def test_hostile_names_pass_through_as_data(full_case: Case) -> None:
    names = ["=1+1", "<script>alert(1)</script>", "{{7*7}}", '#read("x")', "x" * 4000, "\u202e|a|b"]
    for i, name in enumerate(names):
        full_case.unit(f"u{i}", "whole", name=name, headcount=50)
        full_case.initiative(name, date(2026, 10, 1))
    full_case.catalogue = [
        {**row, "name": "{{7*7}} %s {0}"} if row["kpi_id"] == "active_learner_rate" else row
        for row in full_case.catalogue
    ]
    full_case.signal("active_learner_rate", "concerning", charted="53.2", mean=60, lower=56,
                     upper=65)  # fmt: skip
    card = full_case.build()
    assert {u.name for u in card.units} == {"Acme", *names}
    assert {a.title for a in card.annotations} == set(names)
    assert card.kpis[4].finding.startswith("{{7*7}} %s {0} stayed below the usual range")
    assert inconsistencies(card, full_case.marts) == []
