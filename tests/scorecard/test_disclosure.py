"""Random organisations: nothing small can be worked out of one edition and its letters."""

from __future__ import annotations

import random
from typing import Any

import pytest

from orchestration.periods import Period
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.leaders import pages
from orchestration.scorecard.model import Scorecard
from tests.disclosure import Edition, Quantity
from tests.scorecard.conftest import HEADLINE, Case

RANDOM_EDITIONS = 20


def random_case(seed: int, period_id: str) -> Case:
    """An organisation of up to eleven units; every count is a sum over its tree."""
    chance = random.Random(seed)
    case = Case(period=Period.parse(period_id), threshold=chance.choice([3, 5, 5, 8]))
    names = [f"u{i}" for i in range(chance.randint(2, 11))]
    parents: dict[str, str | None] = {names[0]: None}
    for i, name in enumerate(names[1:], start=1):
        parents[name] = names[chance.randrange(i)]
    inside: dict[str, list[str]] = {name: [name] for name in names}
    for name in names:
        at = parents[name]
        while at is not None:
            inside[at].append(name)
            at = parents[at]

    def counts(most: int = 40) -> dict[str, int]:
        own = {n: chance.choice([0, 0, 1, 2, 3, 4, 6, 9, 15, most]) for n in names}
        return {n: sum(own[each] for each in inside[n]) for n in names}

    def depth(name: str) -> int:
        at = parents[name]
        return 0 if at is None else 1 + depth(at)

    eligible = counts()
    missing = [chance.choice([0, 1, 2, 4, 6, 12]) for _ in range(4)]
    heads = {**eligible, names[0]: eligible[names[0]] + missing[0] + missing[1] + missing[3]}
    for name in names:
        case.unit(
            name, parents[name], name=f"Unit {name}", headcount=heads[name], depth=depth(name)
        )
    root, start = names[0], case.period.start
    for kpi_id in (*HEADLINE, "mandatory_overdue_today"):
        row = next(r for r in case.catalogue if r["kpi_id"] == kpi_id)
        grains = str(row["grains"]).split("|")
        own_grain = case.period.grain
        at = case.period if own_grain in grains else Period.parse("2026-Q3")
        for back in range(6):
            people = eligible if kpi_id == "active_learner_rate" else counts()
            for name in names:
                if people[name] or chance.random() < 0.5:
                    value = people[name] // 2 if people[name] else None
                    case.value(kpi_id, value, period=at.shift(-back), unit=name,
                               people=people[name], numerator=people[name] // 2,
                               denominator=people[name], target=40)  # fmt: skip
    for reason, people in zip(("on_leave", "joiner", "left", "other"), missing, strict=True):
        case.excluded(reason, people)
        case.exclusions[-1]["org_unit_id"] = root
    counted = eligible[root] + chance.choice([0, missing[1]])  # joiners count, or not
    if counted:
        case.value("adoption_velocity", 10, unit=root, people=counted, numerator=counted // 3,
                   denominator=counted)  # fmt: skip
    for index_id in ("leaders_active", "leaders_flagship", "cascade_reach"):
        people = counts(8)
        for name in names:
            case.index(index_id, people[name] // 2, people[name], org_unit_id=name,
                       people=people[name], value=50 if people[name] else None)  # fmt: skip
    for course in ("A", "B"):
        people = counts(12)
        for name in names:
            if people[name]:
                case.row("stalled_enrolments", org_unit_id=name, course_id=course,
                         title=f"Course {course}", people=people[name])  # fmt: skip
    managers = counts(6)
    for name in names:
        case.row("message_cascade", message_id="m", org_unit_id=name, managers=managers[name])
        for parameter in ("mandatory_hours_due_per_head_in_30_days", "cascade_percent_in_10_days"):
            if chance.random() < 0.6:
                case.row("early_warnings", warning_id=parameter[:9], parameter=parameter,
                         pain_point="too_much", org_unit_id=name, message_id="m", measured=7,
                         threshold=5, since_on=start, countermeasure="Do.", owner_role="sponsor",
                         due_on=case.period.end, entry_id=f"{parameter}/{name}")  # fmt: skip
        case.row("named_leaders", person_id=f"p{name}", full_name=f"Leader {name}",
                 role="unit_head", org_unit_id=name)  # fmt: skip
    return case


def edition(case: Case) -> Edition:
    card: Scorecard = case.build()
    figures = Figures(case.marts, case.period, case.basis, case.settings)
    return Edition(card, case.marts, pages(figures, case.charter, card))


@pytest.mark.parametrize("period_id", ["2026-10", "2026-W45", "2026-Q3"])
def test_nothing_small_can_be_worked_out_of_random_editions(period_id: str) -> None:
    withheld = 0
    for seed in range(RANDOM_EDITIONS):
        found = edition(random_case(seed, period_id))
        assert found.leaks() == [], f"seed {seed}"
        withheld += sum(len(quantity.withheld) for quantity in found.quantities())
    assert withheld > 20 * RANDOM_EDITIONS  # the hard cases did occur


def test_the_checker_finds_what_it_is_for() -> None:
    """A sibling shown too many, a letter that shows what the table withholds, a wrong interval."""
    people = {"w": 6, "a": 3, "b": 20}
    cells = Quantity("heads", people, shown={"w": frozenset("wab"), "b": frozenset("b")})
    assert list(cells.leaks(5)) == []
    cells.shown["rest"] = frozenset("w")
    assert list(cells.leaks(5)) == ["heads: a can be worked out"]
    # by elimination over three equations: (w + a) + (w + b) - (w + a + b) = w
    cells = Quantity("heads", {"w": 2, "a": 30, "b": 20})
    cells.shown = {"1": frozenset("wa"), "2": frozenset("wb"), "3": frozenset("wab")}
    assert "heads: w can be worked out" in list(cells.leaks(5))
    # not computable, but between 0 and 4: one of two halves of a group of four
    cells = Quantity("heads", {"a": 2, "b": 2}, {"1": frozenset("ab")}, {"a": frozenset("a")})
    assert list(cells.leaks(4)) == []
    assert list(cells.leaks(5)) == [
        "heads: a, b can be worked out",
        "heads: withheld a is known within 4.000",
    ]


def test_a_letter_counts_together_with_the_pack() -> None:
    """One leader's page that shows what the table withholds gives it away for all."""
    for seed in range(200):
        found = edition(random_case(seed, "2026-10"))
        table = {u.org_unit_id: u for u in found.card.units}
        for number, page in enumerate(found.pages):
            line = page.kpis[-1]
            if table[page.org_unit_id].figures[line.kpi_id].state == "suppressed":
                told = line.model_copy(update={"now": found.card.kpis[-1].now})
                if told.now.state != "value":
                    continue
                opened: list[Any] = list(found.pages)
                opened[number] = page.model_copy(update={"kpis": (*page.kpis[:-1], told)})
                leaks = Edition(found.card, found.marts, opened).leaks()
                assert any("can be worked out" in leak for leak in leaks)
                return
    pytest.fail("no page of a withheld unit came up")
