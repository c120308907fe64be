"""Figures, marks and findings in words."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from itertools import product
from typing import Any, get_args

import pytest

from orchestration.periods import Grain, Period
from orchestration.scorecard import wording
from orchestration.scorecard.model import Assurance, Limits, Variation

D = Decimal


@pytest.mark.parametrize(
    ("value", "unit", "precision", "text"),
    [
        ("63.2", "percent", 1, "63.2 %"),
        ("63", "percent", 1, "63.0 %"),
        ("0", "percent", 1, "0.0 %"),
        ("-0.04", "percent", 1, "0.0 %"),
        ("100", "percent", 0, "100 %"),
        ("63.25", "percent", 1, "63.3 %"),
        ("41", "days", 0, "41 days"),
        ("1", "days", 0, "1 day"),
        ("0", "days", 0, "0 days"),
        ("1204", "count", 0, "1,204"),
        ("1234567", "count", 0, "1,234,567"),
        ("12400", "currency", 0, "GBP 12,400"),
        ("12400.5", "currency", 2, "GBP 12,400.50"),
        ("3.4", "index_change", 1, "+3.4 %"),
        ("-3.4", "index_change", 1, "-3.4 %"),
        ("0", "index_change", 1, "0.0 %"),
        ("12.4", "per_100", 1, "12.4 per 100"),
        ("9", "weeks", 0, "9 weeks"),
        ("1", "weeks", 0, "1 week"),
    ],
)
def test_amounts(value: str, unit: Any, precision: int, text: str) -> None:
    assert wording.amount(D(value), unit, precision, "GBP") == text


def test_a_difference_has_a_sign_and_percentages_become_points() -> None:
    assert wording.amount(D("2.1"), "percent", 1, "", difference=True) == "+2.1 points"
    assert wording.amount(D("-2"), "days", 0, "", difference=True) == "-2 days"


def test_a_range_states_its_unit_once() -> None:
    assert wording.amount_range(D("48"), D("58.2"), "percent", 1, "") == "48.0 to 58.2 %"
    assert wording.amount_range(D("1000"), D("1200"), "currency", 0, "EUR") == "EUR 1,000 to 1,200"
    assert (
        wording.amount_range(D("-0.6"), D("1.4"), "percent", 1, "", difference=True)
        == "-0.6 to +1.4 points"
    )


def test_value_figures_keep_decimals_exactly() -> None:
    figure = wording.value_figure(D("0.1") + D("0.2"), "percent", 1, "")
    assert (figure.value, figure.text) == (D("0.3"), "0.3 %")
    assert wording.plain_figure(D("1204.0000")).text == "1,204"
    assert wording.plain_figure(D("98.2500")).text == "98.25"
    assert wording.plain_figure(D("100")).value == D(100)
    assert wording.n_of_total(D("9.0000"), D("13.0000")).text == "9 of 13"


def test_the_four_states_read_differently_from_zero() -> None:
    texts = {
        wording.value_figure(D(0), "percent", 1, "").text,
        wording.no_data("nothing due").text,
        wording.suppressed().text,
        wording.not_reached("too early").text,
    }
    assert texts == {"0.0 %", "no data", "too few people to show", "not reached"}


@pytest.mark.parametrize(
    ("lower", "upper", "text"),
    [
        ("41", "55", "95 % interval 41 to 55 days"),
        ("41", None, "95 % interval from 41 days, upper end not reached"),
        (None, "55", "95 % interval up to 55 days, lower end not reached"),
        (None, None, None),
    ],
)
def test_intervals(lower: str | None, upper: str | None, text: str | None) -> None:
    ends = [None if end is None else D(end) for end in (lower, upper)]
    assert wording.interval(ends[0], ends[1], "days", 0) == text


def test_axis_labels() -> None:
    labels = [wording.point_label(Period.parse(p)) for p in ("2026-10", "2026-Q3", "2026-W05")]
    assert labels == ["Oct 2026", "Q3 2026", "W05 2026"]
    assert wording.day(date(2028, 2, 29)) == "29 February 2028"


def test_lists_and_counts() -> None:
    assert wording.listed([]) == ""
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.counted(1, "decision") == "one decision"
    assert wording.counted(12, "decision") == "12 decisions"
    assert wording.lower_first("Days to competency") == "days to competency"
    assert wording.lower_first("LMS use") == "LMS use"
    assert wording.lower_first("") == ""


# ---------------------------------------------------------------- marks

VARIATIONS = {
    "improving": "Improving",
    "concerning": "Concerning",
    "ordinary": "No clear change",
}
EVERY = [True] * 12
NEVER = [False] * 12
NINE = [False] * 3 + [True] * 9
TARGETS = {
    ("consistently_met", "every"): "target reliably met",
    ("consistently_met", "never"): "target met in 0 of the last 12 months",
    ("consistently_met", "nine"): "target met in 9 of the last 12 months",
    ("consistently_missed", "every"): "target met in 12 of the last 12 months",
    ("consistently_missed", "never"): "target consistently missed",
    ("consistently_missed", "nine"): "target met in 9 of the last 12 months",
    ("hit_and_miss", "every"): "target met in 12 of the last 12 months",
    ("hit_and_miss", "never"): "target met in 0 of the last 12 months",
    ("hit_and_miss", "nine"): "target met in 9 of the last 12 months",
}


@pytest.mark.parametrize(
    ("variation", "assurance"), list(product(get_args(Variation), get_args(Assurance)))
)
def test_every_combination_of_marks(variation: Variation, assurance: Assurance) -> None:
    for name, record in (("every", EVERY), ("never", NEVER), ("nine", NINE), ("none", [])):
        mark = wording.mark(variation, assurance, ["outside_limits"], record=record)
        target = TARGETS.get((assurance, name))
        if variation == "too_few_points":
            met = {"every": "; target met this month", "never": "; target missed this month"}
            met["nine"] = met["every"]
            expected = "Too early to judge" + met.get(name, "")
        elif variation == "no_data":
            expected = "No comparison yet"
        elif target is None:
            expected = VARIATIONS[variation]
            if name != "none":  # a target without an assurance of its own: the record is said
                expected = mark.text
                assert mark.text.startswith(f"{VARIATIONS[variation]}; target met in ")
        else:
            expected = f"{VARIATIONS[variation]}; {target}"
        assert mark.text == expected
        assert mark.tone == {"improving": "good", "concerning": "bad"}.get(variation, "neutral")
        assert mark.rules == ("outside_limits",)


def test_a_record_with_gaps_does_not_pretend_to_be_a_year() -> None:
    mark = wording.mark("ordinary", "hit_and_miss", record=[True, False, True], grain=Grain.QUARTER)
    assert mark.text == "No clear change; target met in 2 of 3 quarters"


@pytest.mark.parametrize(
    ("value", "target", "direction", "met"),
    [
        ("90", "90", "up", True),
        ("89.9", "90", "up", False),
        ("60", "60", "down", True),
        ("61", "60", "down", False),
        ("61", "60", "none", None),
        (None, "60", "up", None),
        ("61", None, "up", None),
    ],
)
def test_a_target_is_met_at_its_value(
    value: str | None, target: str | None, direction: Any, met: bool | None
) -> None:
    given = [None if v is None else D(v) for v in (value, target)]
    assert wording.meets_target(given[0], given[1], direction) is met


# ---------------------------------------------------------------- findings


def found(variation: Variation, charted: Any = None, *, before: Any = (), **over: Any) -> str:
    limits = Limits(basis=over.pop("basis", "level"), mean=D(53), lower=D(48), upper=D(58))
    if "limits" in over:
        limits = over.pop("limits")
    facts: dict[str, Any] = {
        "points": 20,
        "charted": [None if v is None else D(str(v)) for v in (*before, charted)],
        "limits": limits,
        "direction": "up",
        "unit": "percent",
        "precision": 1,
        "currency": "GBP",
    }
    now = over.pop(
        "now", wording.value_figure(D(str(over.pop("level", charted or 0))), "percent", 1, "")
    )
    return wording.finding("Active learners", now, "October 2026", variation, **{**facts, **over})


def test_a_point_beyond_the_limits_is_said_with_its_usual_range() -> None:
    assert found("improving", "63.2") == (
        "Active learners rose above the usual range: 63.2 % in October 2026, usually "
        "48.0 to 58.0 %."
    )
    assert found("concerning", "31") == (
        "Active learners fell below the usual range: 31.0 % in October 2026, usually "
        "48.0 to 58.0 %."
    )
    # where less is better, a rise is what concerns
    assert found("concerning", "63.2", direction="down").startswith(
        "Active learners rose above the usual range"
    )


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ([50], "fell below the usual range:"),
        ([31, None], "fell below the usual range:"),
        ([60], "fell below the usual range:"),
        ([50, 40], "stayed below the usual range for a second month:"),
        ([40] * 8, "stayed below the usual range for a ninth month:"),
        ([40] * 11, "stayed below the usual range for a twelfth month:"),
        ([40] * 12, "stayed below the usual range for 13 months or more:"),
    ],
)
def test_how_long_a_point_has_been_beyond_is_said(before: list[Any], said: str) -> None:
    assert said in found("concerning", 41, before=before)


def test_a_long_run_on_one_side_is_named() -> None:
    assert found("improving", "55.5", rules=["shift"]).startswith(
        "Active learners stayed above average for longer than chance would give: 55.5 %"
    )
    # the run ended, another rule still fires: no claim about where the point lies
    assert "moved up within" in found("improving", "50", rules=["shift"])


def test_a_run_within_the_limits_claims_no_breach() -> None:
    assert found("improving", "55.5", level="55.5") == (
        "Active learners moved up within the usual range, in a run that chance would seldom give: "
        "55.5 % in October 2026, usually 48.0 to 58.0 %."
    )
    assert "moved down within" in found("concerning", "50", level=50)
    assert "moved down within" in found("improving", "50", level=50, direction="down")


def test_ordinary_variation_claims_no_change() -> None:
    assert found("ordinary", 54) == (
        "Active learners stayed within the usual range (48.0 to 58.0 %)."
    )


def test_too_few_points_say_how_many() -> None:
    assert found("no_data", None, level=54, limits=None) == (
        "Active learners: 54.0 % in October 2026; no comparison yet."
    )
    assert found("too_few_points", None, points=7, level=54, limits=None) == (
        "Active learners: 54.0 % in October 2026; too early to judge, with 7 of the 12 points "
        "needed."
    )


def test_figures_not_shown_say_only_why() -> None:
    for figure, text in (
        (wording.suppressed(), "Active learners: too few people to show."),
        (wording.not_reached("x"), "Active learners: not reached by the end of October 2026."),
        (
            wording.no_data("nothing due"),
            "Active learners: no data for October 2026 (nothing due).",
        ),
        (wording.no_data(None), "Active learners: no data for October 2026."),
    ):
        assert found("improving", "63.2", now=figure) == text


def test_a_stock_is_judged_by_its_gain() -> None:
    limits = Limits(basis="net_gain", mean=D("0.4"), lower=D("-0.6"), upper=D("1.4"))
    assert found("concerning", "-2.1", level="80.0", limits=limits) == (
        "Active learners gained less than usual: -2.1 points on the month before, to 80.0 %, "
        "in October 2026, usually -0.6 to +1.4 points."
    )
    assert found("ordinary", "0.2", level="84.0", limits=limits) == (
        "Active learners changed no more than usual: 84.0 % (-0.6 to +1.4 points in one month)."
    )


def test_a_yearly_wave_is_compared_with_the_year_before() -> None:
    limits = Limits(basis="same_month_last_year", mean=D(0), lower=D(-3), upper=D(3))
    assert found("improving", "4.2", level="84.0", limits=limits) == (
        "Active learners rose above the usual range: +4.2 points on the year before, to 84.0 %, in "
        "October 2026, usually -3.0 to +3.0 points."
    )
    assert "against the year before" in found("ordinary", "1", level="84.0", limits=limits)


def test_hidden_limits_give_no_range() -> None:
    assert found("ordinary", 54, limits=None, level=54) == (
        "Active learners stayed within the usual range: 54.0 % in October 2026."
    )
    assert not re.search(r"\d to \d", found("concerning", 31, limits=None, level=31))


@pytest.mark.parametrize("hundredths", range(-400, 401, 7))
@pytest.mark.parametrize("edge", ["57.96", "58.04", "58"])
def test_the_printed_range_never_contradicts_the_printed_signal(hundredths: int, edge: str) -> None:
    """Whatever is rounded: a value said to be outside is printed outside or at the printed edge."""
    limits = Limits(basis="level", mean=D(53), lower=D(48), upper=D(edge))
    value = D(edge) + D(hundredths) / 100
    variation: Variation = "improving" if value > limits.upper else "ordinary"
    text = found(variation, value, limits=limits, level=value)
    upper = D(re.search(r"to ([\d.]+) %", text)[1])  # type: ignore[index]
    shown = value.quantize(D("0.1"), rounding="ROUND_HALF_UP")
    assert shown >= upper if variation == "improving" else shown <= upper


def test_movement_is_named_by_the_limits() -> None:
    limits = Limits(basis="level", mean=D(53), lower=D(48), upper=D(58))
    now = wording.value_figure(D(41), "percent", 1, "")

    def said(charted: Any, **over: Any) -> str:
        shown = {"limits": limits, "variation": "concerning", "direction": "up", **over}
        return wording.movement("X", now, "May 2026", charted, **shown)

    assert said([D(41)]) == "X fell below the usual range (41.0 % in May 2026)"
    assert said([D(60)]) == "X rose above the usual range (41.0 % in May 2026)"
    assert said([D(41), D(41)]) == (
        "X stayed below the usual range for a second month (41.0 % in May 2026)"
    )
    assert said([D(50)]).startswith("X moved down within the usual range, in a run")
    assert said([None]) == said([]) == "X shows a clear change (41.0 % in May 2026)"
    gain = limits.model_copy(update={"basis": "net_gain"})
    assert said([D(1)], limits=gain).startswith("X gained less than usual (41.0 %")
