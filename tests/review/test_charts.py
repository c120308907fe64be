"""Chart geometry and words: positions by hand-computed values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest

from orchestration.review import charts
from orchestration.review.view import build_view, listed_units, skips
from orchestration.review.words import (
    breakable,
    clean,
    counted,
    minus,
    quantity,
    short_span,
    tick_label,
)
from tests.review import scorecards


def test_a_line_breaks_at_a_gap_and_ends_at_the_right() -> None:
    spark = charts.sparkline(scorecards.points([10, 20, None, 20, 10]))
    assert spark is not None
    assert [len(run) for run in spark["runs"]] == [2, 2]
    assert spark["dots"][-1]["x"] == 1.0 and len(spark["gaps"]) == 1
    # five of thirteen slots, right-aligned: the first stands on slot 9 of 1..13
    assert spark["dots"][0]["x"] == pytest.approx(8 / 12, abs=1e-4)
    # the scale runs from 10 - 1 to 20 + 1: 20 lies 1/12 from the top
    assert spark["dots"][1]["y"] == pytest.approx(1 / 12, abs=1e-4)


def test_no_value_no_picture() -> None:
    assert charts.sparkline(()) is None
    assert charts.sparkline(scorecards.points([None, None])) is None


def test_one_value_is_a_dot() -> None:
    spark = charts.sparkline(scorecards.points([5]))
    assert spark is not None and spark["runs"] == [] and len(spark["dots"]) == 1


def test_limits_are_drawn_over_the_points_they_judge() -> None:
    certified = scorecards.KPIS[2]
    assert charts.plotted(certified) == certified.charted
    assert charts.target_line(certified) is None, "a target of the level is off this scale"
    assert charts.basis_words(certified) == "change each month"
    bare = certified.model_copy(update={"charted": ()})
    assert charts.plotted(bare) == bare.series and charts.drawable_limits(bare) is None
    assert charts.target_line(bare) == Decimal("90.0")


def test_the_behaviour_chart_has_its_lines_and_notes() -> None:
    card = scorecards.typical()
    chart = charts.behaviour_chart(card.kpis[3], card.annotations, "GBP")
    assert chart is not None
    assert [r["text"].replace("\u00a0", " ") for r in chart["rules"]] == [
        "upper limit 95.2 %",
        "target 95.0 %",
        "mean 91.4 %",
        "lower limit 87.6 %",
    ]
    labels = [r["label_y"] for r in chart["rules"]]
    # a label is 3 mm high; a tight chart 21 mm
    assert all(b - a >= 0.13 for a, b in pairwise(labels)), "labels overlap"
    assert [n["number"] for n in chart["notes"]] == ["1", "2"]
    assert chart["labels"][0] == {"x": 0.0, "text": "Oct", "year": "2025"}
    assert chart["labels"][3]["year"] == "2026"
    assert chart["dots"][-1]["tone"] == "bad"


def test_bars_start_at_zero() -> None:
    view = build_view(scorecards.typical())
    late = next(k for k in view["detail"] if k["id"] == "on_time_completion_rate")
    assert [(m["name"], m["bar"]) for m in late["moved"]] == [
        ("Operations", 0.612),
        ("Bakery sites", 0.588),
    ]


def test_what_concerns_comes_first_and_only_signals_get_detail() -> None:
    view = build_view(scorecards.typical())
    assert [k["mark"]["variation"] for k in view["detail"]] == [
        "concerning",
        "improving",
        "improving",
    ]
    assert {k["id"] for k in view["quiet"]} == {
        "performance_improvement",
        "certification_rate",
        "adoption_velocity",
        "seat_use",
    }
    # performance improvement and seat use have too few points
    assert view["quiet_title"] == (
        "No clear change in two other measures; two cannot be judged yet"
    )


def test_skipping_needs_something_judged() -> None:
    assert skips(scorecards.quiet())
    assert not skips(scorecards.empty()), "silence for want of data proposes nothing"
    assert not skips(scorecards.typical())


def test_the_unit_table_drops_the_deepest_level_first() -> None:
    units = scorecards.unit_rows()
    assert [u.depth for u in listed_units(units, 6)] == [0, 1, 1, 1, 1, 1]
    assert len(listed_units(units, 3)) == 3 and listed_units(units, 99) == list(units)


def test_words() -> None:
    assert clean("a\r\n b\x00\u202ec\u2028d") == "a bc d"
    assert clean("one two three four", 12) == "one two\u2026"
    assert len(clean("x" * 10_000, 40)) == 40
    assert breakable({"a": ["x" * 50]}) == {"a": ["x" * 24 + "\u200b" + "x" * 24 + "\u200bxx"]}
    assert minus("-1.2 to -3, A-1") == "\u22121.2 to \u22123, A-1"
    assert quantity(Decimal("78.44"), "percent") == "78.4\u00a0%"
    assert quantity(Decimal("1.25"), "percent", change=True) == "+1.3\u00a0points"
    assert quantity(Decimal("-0.04"), "percent") == "0.0\u00a0%"
    assert quantity(Decimal("12400"), "currency", "GBP") == "GBP\u00a012,400"
    assert tick_label(0.5, "percent", False) == "0.5\u00a0%"
    assert tick_label(1500.0, "count", False) == "1,500"
    assert counted(1, "decision") == "one decision" and counted(12, "unit") == "12 units"
    assert short_span(date(2026, 9, 28), date(2026, 10, 3)) == "28 Sep to 3 Oct 2026"
    assert short_span(date(2025, 12, 28), date(2026, 1, 3)) == "28 Dec 2025 to 3 Jan 2026"
