"""Random organisations: nothing small can be worked out of one edition and its letters."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from copy import deepcopy
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from orchestration.periods import Grain, Period
from orchestration.review.kit import Basis, KitPage, Message, build_kits, sponsors_of
from orchestration.scorecard import wording
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.leaders import pages
from orchestration.scorecard.model import LeaderPage, Scorecard
from tests.disclosure import Edition, Quantity
from tests.scorecard.conftest import HEADLINE, Case

RANDOM_EDITIONS = int(os.environ.get("ADOPTION_EDITIONS", "9"))
"""Of each ritual; `make soak` tries more."""
FOUND = (172,)
"""Seeds of which an edition once gave away what it withheld."""
OVERDUE, OF_ELT = "mandatory_overdue_today", "leaders_flagship_completed"
HIDDEN = wording.SUPPRESSED


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

    def rolled_up(own: dict[str, int]) -> dict[str, int]:
        return {n: sum(own.get(each, 0) for each in inside[n]) for n in names}

    def some(most: int) -> dict[str, int]:
        return {n: chance.choice([0, 0, 1, 2, 3, 4, 6, 9, 15, most]) for n in names}

    def counts(most: int = 40) -> dict[str, int]:
        return rolled_up(some(most))

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
    for kpi_id in (*HEADLINE, OVERDUE):
        row = next(r for r in case.catalogue if r["kpi_id"] == kpi_id)
        own_grain = case.period.grain in str(row["grains"]).split("|")
        at = case.period if own_grain else Period.parse("2026-Q3")
        for back in range(6):
            people = eligible if kpi_id == "active_learner_rate" else counts()
            for name in names:
                if people[name] or chance.random() < 0.5:
                    value = people[name] // 2 if people[name] else None
                    case.value(kpi_id, value, period=at.shift(-back), unit=name,
                               people=people[name], numerator=people[name] // 2,
                               denominator=people[name], target=40)  # fmt: skip
                    variation = chance.choice(["ordinary", "concerning", "improving"])
                    case.signal(kpi_id, variation, "consistently_missed", period=at.shift(-back),
                                unit=name)  # fmt: skip
        few = chance.choice([0, 2, 4, 30])
        case.value(kpi_id, 50, period=at, unit=root, line="contractor", people=few,
                   numerator=few // 2, denominator=few)  # fmt: skip
    for reason, people in zip(("on_leave", "joiner", "left", "other"), missing, strict=True):
        case.excluded(reason, people)
        case.exclusions[-1]["org_unit_id"] = root
    counted = eligible[root] + chance.choice([0, missing[1]])  # joiners count, or not
    if counted:
        case.value("adoption_velocity", 10, unit=root, people=counted, numerator=counted // 3,
                   denominator=counted)  # fmt: skip
    executives = {n: chance.choice([0, 0, 0, 1, 2, 5]) for n in names}
    leaders = some(8)
    whole = rolled_up({n: leaders[n] + executives[n] for n in names})
    elt = rolled_up(executives)
    cycles = [counts(), counts()]
    velocity = {n: cycles[0][n] + cycles[1][n] for n in names}
    case.value(OF_ELT, 50, unit=root, people=elt[root], numerator=elt[root] // 2,
               denominator=elt[root])  # fmt: skip
    for name in names:
        for _ in range(executives[name]):
            case.row("executives", org_unit_id=name)
        for index_id in ("leaders_active", "leaders_flagship"):
            case.index(index_id, whole[name] // 2, whole[name], org_unit_id=name,
                       people=whole[name], value=50 if whole[name] else None)  # fmt: skip
        for index_id in ("velocity_before", "velocity_after"):
            case.index(index_id, velocity[name] // 3, velocity[name], org_unit_id=name,
                       people=velocity[name], value=33 if velocity[name] else None)  # fmt: skip
    for course in ("A", "B"):
        people = counts(12)
        for name in names:
            if people[name]:
                case.row("stalled_enrolments", org_unit_id=name, course_id=course,
                         title=f"Course {course}", people=people[name],
                         begun=chance.randint(0, people[name]))  # fmt: skip
    # two messages: to all, and to one unit and those beneath it, where it is the newest
    reached = chance.choice(names)
    for message, unit, own in (("m1", root, some(6)), ("m2", reached, some(6))):
        managers = rolled_up({n: own[n] for n in inside[unit]})
        for name in inside[unit]:
            confirmed = managers[name] * chance.choice([1, 2]) // 2
            case.row("message_cascade", message_id=message, org_unit_id=name,
                     managers=managers[name], confirmed=confirmed)  # fmt: skip
            if message == "m2" or name not in inside[reached]:
                case.index("cascade_reach", confirmed, managers[name], org_unit_id=name,
                           people=managers[name], value=50 if managers[name] else None,
                           detail=message)  # fmt: skip
            if chance.random() < 0.6:
                warn(case, name, "cascade_percent_in_10_days", message)
    for name in names:
        if chance.random() < 0.6:
            warn(case, name, "mandatory_hours_due_per_head_in_30_days", "m1")
        for role in ("unit_head", "sponsor"):
            case.row("named_leaders", person_id=f"p{name}", full_name=f"Leader {name}",
                     role=role, org_unit_id=name)  # fmt: skip
        launch = chance.choice([date(2026, 4, 1), date(2027, 1, 1)])
        for back in range(9):
            case.row("outcomes", org_unit_id=name, reporting_unit_id=name, launch_quarter=launch,
                     quarter_start=Period.parse("2026-Q3").shift(-back).start,
                     numerator=chance.randint(80, 120), denominator=100)  # fmt: skip
    for kpi_id in HEADLINE:
        for name in ("", *names):
            case.row("change_split", kpi_id=kpi_id, org_unit_id=name, before=41, now=40,
                     mix=chance.randint(-3, 3), rate=-1)  # fmt: skip
    assert start == case.period.start
    return case


def warn(case: Case, unit: str, parameter: str, message: str) -> None:
    case.row("early_warnings", warning_id=parameter[:9], parameter=parameter,
             pain_point="inconsistent messaging", org_unit_id=unit, message_id=message, measured=7,
             threshold=5, since_on=case.period.start, countermeasure="Do.", owner_role="sponsor",
             due_on=case.period.end, entry_id=f"{parameter}/{message}/{unit}")  # fmt: skip


def kits_of(case: Case, card: Scorecard, own: Sequence[LeaderPage]) -> tuple[KitPage, ...]:
    """The month's communication kits: of two messages at once a unit has none."""
    if case.period.grain is not Grain.MONTH:
        return ()
    messages = [
        Message(
            message_id=name,
            core_sentence="Learn.",
            audience_org_unit_id=unit,
            approver_person_id="p",
            issued_on=date(2026, 10, 20),
            expires_on=date(2026, 12, 1),
            occasion="launch",
            texts={},
            ask_by=None,
            minutes="",
        )
        for name, unit in (("m1", "*"),)
    ]
    marts = case.marts
    kits, _ = build_kits(
        Basis(
            scorecard=card,
            month=card,
            period=case.period,
            pages=own,
            sponsors=sponsors_of(
                marts.named_leaders, Governance((), {}, marts.named_leaders, names=case.names)
            ),
            decisions=marts.decision_log,
            messages=messages,
            settings=case.settings,
            cascades=marts.message_cascade,
            cascade_target=Decimal(40),
        )
    )
    return tuple(kit.page for kit in kits)


def edition(case: Case) -> Edition:
    card: Scorecard = case.build()
    figures = Figures(case.marts, case.period, case.basis, case.settings)
    own = pages(figures, case.charter, card)
    return Edition(card, case.marts, own, kits_of(case, card, own))


@pytest.mark.parametrize("period_id", ["2026-10", "2026-W45", "2026-Q3"])
def test_nothing_small_can_be_worked_out_of_random_editions(period_id: str) -> None:
    withheld = 0
    for seed in sorted({*range(RANDOM_EDITIONS), *FOUND}):
        found = edition(random_case(seed, period_id))
        assert found.leaks() == [], f"seed {seed}"
        withheld += sum(len(quantity.withheld) for quantity in found.quantities())
    assert withheld > 20 * RANDOM_EDITIONS  # the hard cases did occur


def changed(case: Case, shown: Edition) -> tuple[Case, int]:
    """The case with other values behind everything that its edition withholds; how many."""
    other, count = deepcopy(case), 0
    card, threshold = shown.card, case.threshold
    hidden = {
        (kpi_id, unit.org_unit_id)
        for unit in card.units
        for kpi_id, figure in unit.figures.items()
        if figure.state == "suppressed"
    }
    newest = {kpi.kpi_id: shown.start_of(kpi) for kpi in card.kpis}
    for (kpi_id, start, unit, line), row in other.values.items():
        small = 0 < (row["people"] or 0) < threshold and kpi_id not in (OVERDUE, OF_ELT)
        untold = line == "employee" and start == newest.get(kpi_id) and (kpi_id, unit) in hidden
        if small or untold:
            row["value"], row["numerator"], count = Decimal(97), Decimal(1), count + 1
    for (kpi_id, start, unit, _), row in other.signals.items():
        if (kpi_id, unit) in hidden and start == newest.get(kpi_id):
            row["variation"] = "concerning" if row["variation"] != "concerning" else "improving"
    leadership = card.leadership_page.units if card.leadership_page else ()
    columns = {"cascade_reach": "cascade"}
    untold = {
        (index_id, unit.org_unit_id)
        for unit in leadership
        for index_id in ("leaders_active", "leaders_flagship", "velocity_before", "velocity_after",
                         "cascade_reach")
        if getattr(unit, columns.get(index_id, index_id)).state == "suppressed"
    }  # fmt: skip
    for row in other.models["leader_indices"]:
        if (row["index_id"], row["org_unit_id"]) in untold:
            row["numerator"], row["value"], count = Decimal(1), Decimal(11), count + 1
    for row in other.models["outcomes"]:
        if ("performance_improvement", row["org_unit_id"]) in hidden:
            row["numerator"], count = Decimal(500), count + 1
    for row in other.models["message_cascade"]:
        newest_of = {u.org_unit_id for u in leadership if u.cascade_message == row["message_id"]}
        if row["org_unit_id"] not in newest_of or ("cascade_reach", row["org_unit_id"]) in untold:
            row["confirmed"], count = row["managers"] - row["confirmed"], count + 1
    told = {str(w.entry_id): w.finding[:1].isdigit() for w in card.warnings}
    for row in other.models["early_warnings"]:
        if not told.get(row["entry_id"], True):
            row["measured"], count = Decimal(99), count + 1
    for row in other.models.get("stalled_enrolments", ()):
        if row["people"] < threshold:
            row["begun"], count = row["people"] - row["begun"], count + 1
    return other, count


@pytest.mark.parametrize("period_id", ["2026-10", "2026-W45", "2026-Q3"])
def test_what_is_withheld_changes_nothing_that_is_shown(period_id: str) -> None:
    """Not a figure, a mark, a word, the order of units or what is asked for: not one byte."""
    total = 0
    for seed in range(RANDOM_EDITIONS):
        case = random_case(seed, period_id)
        shown = edition(case)
        other, count = changed(case, shown)
        total += count
        found = edition(other)
        for part in ("card", "pages", "kits"):
            assert getattr(found, part) == getattr(shown, part), f"seed {seed}"
    assert total > 20 * RANDOM_EDITIONS


def test_managers_of_one_message_are_withheld_alike_everywhere() -> None:
    """Page and warnings together: 20 and 17 of one message's managers would tell of three."""
    case = Case(period=Period.parse("2026-10"))
    for unit, parent in (("whole", None), ("a", "whole"), ("b", "whole"), ("c", "whole")):
        case.unit(unit, parent, name=f"Unit {unit}")
    for message, managers in (("m1", {"whole": 29, "a": 17, "b": 3, "c": 9}), ("m2", {"c": 8})):
        for unit, count in managers.items():
            case.row("message_cascade", message_id=message, org_unit_id=unit, managers=count,
                     confirmed=count // 2)  # fmt: skip
            if (message, unit) != ("m1", "c"):
                case.index("cascade_reach", count // 2, count, org_unit_id=unit, people=count,
                           detail=message)  # fmt: skip
    for unit in ("whole", "a", "b", "c"):
        warn(case, unit, "cascade_percent_in_10_days", "m1")
    found = edition(case)
    assert found.leaks() == []
    said = {str(w.org_unit_id): w.finding[:1] for w in found.card.warnings}
    assert said == {"whole": "7", "a": "7", "b": "T", "c": "T"}
    assert found.card.leadership_page is not None
    cascade = {u.org_unit_id: u.cascade.text for u in found.card.leadership_page.units}
    assert cascade == {"whole": "14 of 29", "a": "8 of 17", "b": HIDDEN, "c": "4 of 8"}


def test_few_managers_beside_the_leadership_team_are_withheld() -> None:
    """The line tells 3 of 4 of the ELT: 7 of 7 leaders in all would tell of three managers."""
    case = Case(period=Period.parse("2026-10"))
    for unit, parent in (("whole", None), ("a", "whole"), ("b", "whole")):
        case.unit(unit, parent, name=f"Unit {unit}")
    case.value(OF_ELT, 75, people=4, numerator=3, denominator=4)
    for _ in range(4):
        case.row("executives", org_unit_id="a")
    for unit, leaders in (("whole", 27), ("a", 7), ("b", 20)):
        case.index("leaders_flagship", leaders - 1, leaders, org_unit_id=unit, people=leaders)
        case.index("leaders_active", leaders, leaders, org_unit_id=unit, people=leaders)
    card = case.build()
    (line,) = (i.figure.text for i in card.leadership if i.kpi_id == OF_ELT)
    assert line == "3 of 4"  # fewer than the threshold: they answer for it
    assert card.leadership_page is not None
    told = {u.org_unit_id: u.leaders_flagship.text for u in card.leadership_page.units}
    assert told == {"whole": "26 of 27", "a": HIDDEN, "b": HIDDEN}
    active = {u.org_unit_id: u.leaders_active.text for u in card.leadership_page.units}
    assert active == {"whole": "27 of 27", "a": "7 of 7", "b": "20 of 20"}


def test_a_group_counted_in_two_cycles_is_no_larger_for_it() -> None:
    case = Case(period=Period.parse("2026-10"))
    for unit, parent in (("whole", None), ("a", "whole"), ("b", "whole")):
        case.unit(unit, parent, name=f"Unit {unit}")
        case.index("velocity_before", 4, 100, org_unit_id=unit,
                   people={"whole": 100, "a": 8, "b": 92}[unit])  # fmt: skip
    page = case.build().leadership_page
    assert page is not None  # four people, each counted twice
    assert [u.velocity_before.state for u in page.units] == ["value", "suppressed", "suppressed"]


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


def test_few_people_left_to_count_are_not_told_by_those_left_out() -> None:
    case = Case(period=Period.parse("2026-10"))
    case.unit("whole", name="Acme", headcount=12)
    case.excluded("on_leave", 9)
    case.excluded("left", 30)
    left_out = {line.reason: line.people.text for line in case.build().exclusions}
    assert left_out == {wording.left_out("left"): "30", wording.left_out("on_leave"): HIDDEN}
