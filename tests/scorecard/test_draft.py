"""The scorecard file: canonical, repeatable, whole or not at all; and the look back at it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.scorecard import draft
from orchestration.scorecard.basis import basis_of
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.draft import draft_folder, read_scorecard, to_json, write_scorecard
from orchestration.scorecard.model import Figure, Mark, Scorecard
from orchestration.settings import PathSettings, Settings
from tests.scorecard.conftest import fill

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any


def at_home(case: Case, home: Path) -> Settings:
    return case.settings.model_copy(update={"paths": PathSettings(home=home)})


def test_written_and_read_back(full_case: Case, tmp_path: Path) -> None:
    settings = at_home(full_case, tmp_path)
    card = full_case.build()
    file = write_scorecard(settings, full_case.period, card)
    assert file == tmp_path / "drafts" / "monthly" / "2026-10" / "scorecard.json"
    assert read_scorecard(file) == card
    assert to_json(read_scorecard(file)) == file.read_bytes()
    document = json.loads(file.read_text(), parse_float=lambda text: pytest.fail(f"float {text}"))
    assert document["kpis"][2]["now"]["value"] == "91.2"


def test_equal_rows_in_any_order_give_equal_bytes(full_case: Case) -> None:
    full_case.unit("b", "whole", name="Same", headcount=40)
    full_case.unit("a", "whole", name="Same", headcount=40)
    full_case.excluded("left", 9)
    full_case.excluded("on_leave", 9)
    full_case.initiative("B", date(2026, 3, 1))
    full_case.initiative("A", date(2026, 3, 1))
    full_case.holder("sponsor", "One", unit="a")
    first = to_json(full_case.build())
    chance = random.Random(5)
    for _ in range(10):
        for name in ("units", "exclusions", "initiatives", "governance"):
            chance.shuffle(getattr(full_case, name))
        for name in ("values", "signals"):
            items = list(getattr(full_case, name).items())
            chance.shuffle(items)
            setattr(full_case, name, dict(items))
        chance.shuffle(full_case.catalogue)
        assert to_json(full_case.build()) == first


@pytest.mark.parametrize("period", ["2026-10", "2026-W45", "2026-Q3"])
def test_every_model_s_rows_in_any_order_give_equal_bytes(full_case: Case, period: str) -> None:
    full_case.period, full_case.units = Period.parse(period), []
    full_case.unit("whole", name="Acme", headcount=500)
    fill(full_case)
    first, pages = to_json(full_case.build()), full_case.pages()
    assert pages.keys() == {"p1", "p2"}
    chance = random.Random(7)
    for _ in range(5):
        for rows in full_case.models.values():
            chance.shuffle(rows)
        chance.shuffle(full_case.units)
        assert to_json(full_case.build()) == first
        assert full_case.pages() == pages


@pytest.mark.parametrize("period", ["2026-10", "2026-W45", "2026-Q3"])
def test_hostile_texts_pass_through_every_part_as_data(full_case: Case, period: str) -> None:
    full_case.period, full_case.units = Period.parse(period), []
    full_case.unit("whole", name="Acme", headcount=500)
    fill(full_case, "<b>{{7*7}} {0} %s\u202e|*x*")
    document = to_json(full_case.build()).decode()
    assert "<b>{{7*7}} {0} %s" in document
    assert "49" not in json.dumps([page.name for page in full_case.pages().values()])


def test_trailing_zeros_of_the_engine_change_nothing(full_case: Case) -> None:
    first = to_json(full_case.build())
    for rows in (full_case.values, full_case.signals):
        for row in rows.values():
            for name, value in row.items():
                if isinstance(value, Decimal):
                    row[name] = value.quantize(Decimal("0.0001"))
    assert to_json(full_case.build()) == first


def test_a_crash_while_writing_leaves_the_last_good_file(
    full_case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = at_home(full_case, tmp_path)
    file = write_scorecard(settings, full_case.period, full_case.build())
    before = file.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(draft.os, "fsync", fail)
    full_case.value("active_learner_rate", 1, numerator=5, denominator=500)
    with pytest.raises(OSError, match="disk full"):
        write_scorecard(settings, full_case.period, full_case.build())
    assert file.read_bytes() == before
    assert [f.name for f in draft_folder(settings, full_case.period).iterdir()] == [
        "scorecard.json"
    ]


def test_a_missing_or_damaged_file_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="does not exist"):
        read_scorecard(tmp_path / "scorecard.json")
    broken = tmp_path / "scorecard.json"
    for content in (b"", b"{", b"[]", b"{}", b"\xff\xfe"):
        broken.write_bytes(content)
        with pytest.raises(Problem, match="not a scorecard of this version"):
            read_scorecard(broken)


def test_the_close_is_taken_over_without_its_clock(full_case: Case) -> None:
    from orchestration.quality.close import FeedVerdict, PeriodClose

    close = PeriodClose(
        period_id="2026-10",
        grain=full_case.period.grain,
        period_start=full_case.period.start,
        period_end=full_case.period.end,
        closed_at=datetime(2026, 11, 2, tzinfo=UTC),
        feeds={
            "activity": FeedVerdict(verdict="stale", data_as_of=date(2026, 10, 12), reason="Late."),
            "people": FeedVerdict(verdict="complete", data_as_of=date(2026, 10, 31)),
        },
        charter_hash="abc",
        code_version="def",
        verdict="stale",
        reason="",
        allowed=True,
        data_as_of=date(2026, 10, 12),
    )
    basis = basis_of(close)
    assert [f.feed for f in basis.feeds] == ["people", "activity"]
    assert basis.stale_note == "activity as of 12 October 2026"
    assert basis.data_as_of == date(2026, 10, 12)
    assert (
        basis_of(close.model_copy(update={"closed_at": datetime(2027, 1, 1, tzinfo=UTC)})) == basis
    )
    assert basis_of(close.model_copy(update={"data_as_of": None})).data_as_of == date(2026, 10, 31)


def test_no_heavy_library_is_imported_to_make_a_scorecard() -> None:
    code = (
        "import sys, orchestration.scorecard.build, orchestration.scorecard.draft\n"
        "heavy = {'dagster', 'pandas', 'great_expectations', 'typst', 'openpyxl', 'dagster_dbt'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- the look back


def changed(card: Scorecard, place: str, **update: Any) -> Scorecard:
    """The card with one KPI, unit or figure altered behind the builder's back."""
    if place == "now":
        kpis = list(card.kpis)
        kpis[4] = kpis[4].model_copy(update=update)
        return card.model_copy(update={"kpis": tuple(kpis)})
    units = list(card.units)
    index = next(i for i, u in enumerate(units) if u.org_unit_id == place)
    units[index] = units[index].model_copy(update=update)
    return card.model_copy(update={"units": tuple(units)})


def test_the_look_back_finds_each_fault(full_case: Case) -> None:
    for unit, people in (("x", 3), ("y", 20), ("z", 477)):
        full_case.unit(unit, "whole", headcount=people)
        full_case.value("active_learner_rate", 50, unit=unit, numerator=people // 2,
                        denominator=people, people=people)  # fmt: skip
    full_case.value("active_learner_rate", "53.2", numerator=266, denominator=500, people=500)
    card, marts = full_case.build(), full_case.marts
    assert inconsistencies(card, marts) == []
    shown = Figure(state="value", value=Decimal("50.0"), text="50.0 %")
    sly = Figure(state="suppressed", value=Decimal("50.0"), text="too few people to show")
    good = Mark(variation="ordinary", assurance="no_target", text="Ordinary", tone="good")

    def found(altered: Scorecard) -> str:
        return " / ".join(inconsistencies(altered, marts))

    def figures(figure: Figure) -> dict[str, Figure]:
        return {**card.units[1].figures, "active_learner_rate": figure}

    assert "shown as 50.0, published as 53.2" in found(changed(card, "now", now=shown))
    assert "tone" in found(changed(card, "now", mark=good))
    assert "stands for too few people" in found(changed(card, "x", figures=figures(shown)))
    assert "can be worked out" in found(changed(card, "y", figures=figures(shown)))
    assert "carries a value" in found(changed(card, "x", figures=figures(sly)))
    signals = {"active_learner_rate": "concerning"}
    assert "its signal is" in found(changed(card, "x", signals=signals))
    assert "headline KPIs" in found(card.model_copy(update={"kpis": card.kpis[:2]}))
    hidden = Figure(state="suppressed", text="too few people to show")
    assert "what it is made of" in found(changed(card, "now", now=hidden))


def test_the_look_back_finds_faults_of_the_new_pages(full_case: Case) -> None:
    fill(full_case)
    card, marts = full_case.build(), full_case.marts
    assert inconsistencies(card, marts) == []
    page = card.leadership_page
    assert page is not None
    shown = Figure(state="value", value=Decimal(3), text="3 of 4")
    assert page.units[-1].velocity_after.state == "suppressed"  # of four people
    units = (*page.units[:-1], page.units[-1].model_copy(update={"velocity_after": shown}))
    leaking = card.model_copy(update={"leadership_page": page.model_copy(update={"units": units})})
    assert inconsistencies(leaking, marts) == [
        "velocity_after: a group of too few people in x can be worked out"
    ]
    twice = card.model_copy(update={"log": (*card.log, card.log[0])})
    assert inconsistencies(twice, marts) == ["log entry o/decision: stands on the page twice"]
    lost = card.model_copy(update={"log": card.log[1:]})
    assert inconsistencies(lost, marts) == ["log entry o/decision: is open, but not on the page"]
    sure = card.kpis[4].model_copy(update={"forecast": shown, "limits": None})
    forecast = card.model_copy(update={"kpis": (*card.kpis[:4], sure)})
    assert "active_learner_rate: has a forecast, but its process is not predictable" in (
        inconsistencies(forecast, marts)
    )


def test_the_look_back_compares_goals_with_the_unit_table(full_case: Case) -> None:
    full_case.period, full_case.units = Period.parse("2026-Q3"), []
    full_case.unit("whole", name="Acme", headcount=500)
    fill(full_case)
    for unit, people in (("o", 300), ("x", 4)):
        full_case.value("performance_improvement", 3, unit=unit, people=people, numerator=103,
                        denominator=100)  # fmt: skip
    card, marts = full_case.build(), full_case.marts
    assert inconsistencies(card, marts) == []
    assert card.strategy is not None
    goals = {goal.org_unit_id: goal for goal in card.strategy.goals}
    assert (goals["o"].change.text, goals["x"].change.state) == ("+3.0 %", "suppressed")

    def found(unit: str, **update: Any) -> list[str]:
        assert card.strategy is not None
        other = tuple(
            goal.model_copy(update=update) if goal.org_unit_id == unit else goal
            for goal in card.strategy.goals
        )
        strategy = card.strategy.model_copy(update={"goals": other})
        return inconsistencies(card.model_copy(update={"strategy": strategy}), marts)

    shown = Figure(state="value", value=Decimal(1), text="1")
    assert found("x", outcome=shown) == ["goal of x: withheld, but what it is made of is shown"]
    assert found("x", adoption={"active_learner_rate": shown}) == [
        "goal of x: shows other figures than the unit table"
    ]
