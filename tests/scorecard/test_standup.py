"""The weekly stand-up: overdue, blockers and who removes them, wins; nothing of a small group."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.periods import Period
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.model import StandUp
from orchestration.scorecard.standup import ranked_blockers

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any

WEEK = Period.parse("2026-W45")  # 2 to 8 November


@pytest.fixture
def week(case: Case) -> Case:
    """Three units below the whole; the programme's leaders named."""
    case.period, case.units = WEEK, []
    case.unit("whole", name="Acme", headcount=500)
    case.unit("o", "whole", name="Operations", headcount=300)
    case.unit("s", "whole", name="Sales", headcount=150)
    case.unit("x", "whole", name="Executive office", headcount=50)
    case.holder("executive_sponsor", "Ada Byron")
    case.holder("operations_head", "Lin Walsh")
    case.holder("ld_head", "Grace Hopper")
    case.holder("unit_head", "Emmy Noether", unit="o")
    return case


def stand_up(case: Case) -> StandUp:
    card = case.build()
    assert inconsistencies(card, case.marts) == []
    assert card.stand_up is not None
    return card.stand_up


def test_a_quiet_week_has_empty_sections(week: Case) -> None:
    found = stand_up(week)
    assert found == StandUp(
        overdue=(), carried_over=0, blockers=(), more_blockers=0, wins=(), warnings=(),
        more_warnings=0,
    )  # fmt: skip


# ---------------------------------------------------------------- overdue and carried over


def test_overdue_entries_and_plan_actions_with_owner_and_age(week: Case) -> None:
    week.row("named_leaders", person_id="p1", full_name="Ada Byron", role="executive_sponsor")
    week.log("action", kind="action", asked_on=date(2026, 10, 12), first_due_on=date(2026, 11, 1),
             status="overdue", waiting_days=27, owner_role="program_lead")  # fmt: skip
    week.log("decision", asked_on=date(2026, 10, 7), first_due_on=date(2026, 10, 17),
             status="overdue", waiting_days=32, owner_person_id="p1")  # fmt: skip
    week.log("open", kind="action", asked_on=date(2026, 11, 1), first_due_on=date(2026, 11, 20))
    week.log("new", kind="action", asked_on=date(2026, 11, 3), first_due_on=date(2026, 11, 20))
    week.log("old", kind="action", asked_on=date(2026, 10, 3), status="done")
    launch = date(2026, 9, 25)
    for action, status in (("Send the email", "overdue"), ("Hold the town hall", "overdue"),
                           ("Later", "not_yet")):  # fmt: skip
        week.row("leader_plan", org_unit_id="o", launch_on=launch, day_now=44, plan_day=35,
                 action=action, status=status, due_on=launch + timedelta(days=35),
                 owner_role="sponsor")  # fmt: skip
    week.log("logged", kind="action", source="plan", title="Hold the town hall", org_unit_id="o",
             asked_on=launch, first_due_on=date(2026, 10, 30), status="overdue")  # fmt: skip
    found = stand_up(week)
    assert [(e.entry_id, e.owner, e.status_text) for e in found.overdue] == [
        ("decision", "Ada Byron", "overdue by 22 days"),
        ("logged", "not named", "overdue by 9 days"),
        ("plan/o/35/Send the email", "sponsor", "overdue by 9 days"),
        ("action", "programme lead", "overdue by 7 days"),
    ]
    assert found.overdue[2].unit == "Operations"
    assert found.overdue[2].waiting_days == 44
    assert found.carried_over == 4  # decision, logged, action, open: asked before 2 November
    assert [e.entry_id for e in week.build().log] == ["open", "new"]


# ---------------------------------------------------------------- blockers


def overdue_people(case: Case, **people: int) -> None:
    for unit, count in people.items():
        case.value("mandatory_overdue_today", count, unit=unit, numerator=count, denominator=100,
                   people=count)  # fmt: skip


def test_blockers_are_ranked_by_people_and_name_who_removes_them(week: Case) -> None:
    overdue_people(week, whole=57, o=40, s=17, x=0)
    for unit, people in (("o", 23), ("s", 9)):
        week.row("stalled_enrolments", org_unit_id=unit, course_id="C", title="Safety",
                 people=people)  # fmt: skip
    found = stand_up(week)
    assert [(b.blocker, b.what, b.unit, b.who) for b in found.blockers] == [
        ("Mandatory learning overdue", "40 people are overdue with mandatory learning",
         "Operations", "Lin Walsh"),
        ("Stalled enrolments", "23 people have come to a halt in 'Safety'", "Operations",
         "Emmy Noether"),
        ("Mandatory learning overdue", "17 people are overdue with mandatory learning", "Sales",
         "Lin Walsh"),
    ]  # fmt: skip
    assert found.blockers[1].right == "Remove what stands in a unit's way"
    assert found.more_blockers == 1


def test_where_the_role_is_vacant_who_stands_one_level_up_is_named(week: Case) -> None:
    week.holder("sponsor", "Noor Khan", unit="x")
    for unit in ("s", "x"):
        week.row("stalled_enrolments", org_unit_id=unit, course_id="C", title="Safety", people=9)
    assert {b.unit: b.who for b in stand_up(week).blockers} == {
        "Sales": "Ada Byron",  # no head, no sponsor of its own
        "Executive office": "Noor Khan",
    }


def test_small_groups_are_named_without_a_number_and_so_is_their_complement(week: Case) -> None:
    """57 overdue in all are shown beside the KPI: 40 and 13 would leave 4."""
    overdue_people(week, whole=57, o=40, s=13, x=4)
    card = week.build()
    assert card.stand_up is not None
    beside = {b.kpi_id: b.figure.text for b in card.kpis[3].beside}
    assert beside["mandatory_overdue_today"] == "57"
    assert [(b.what, b.unit) for b in card.stand_up.blockers] == [
        ("40 people are overdue with mandatory learning", "Operations"),
        ("People are overdue with mandatory learning", "Executive office"),
        ("People are overdue with mandatory learning", "Sales"),
    ]


def test_stalled_people_are_protected_course_by_course(week: Case) -> None:
    for unit, people in (("whole", 30), ("o", 23), ("s", 7), ("x", 0)):
        week.row("stalled_enrolments", org_unit_id=unit, course_id="A", title="A", people=people)
    for unit, people in (("whole", 30), ("o", 20), ("s", 8), ("x", 2)):
        week.row("stalled_enrolments", org_unit_id=unit, course_id="B", title="B", people=people)
    assert [(b.what, b.unit) for b in stand_up(week).blockers] == [
        ("23 people have come to a halt in 'A', others in one more course", "Operations"),
        ("Seven people have come to a halt in 'A', others in one more course", "Sales"),
        ("People have come to a halt in 'B'", "Executive office"),
    ]
    week.models["stalled_enrolments"] = week.models["stalled_enrolments"][4:]
    assert [(b.what, b.unit) for b in stand_up(week).blockers] == [
        ("20 people have come to a halt in 'B'", "Operations"),
        ("People have come to a halt in 'B'", "Executive office"),
        ("People have come to a halt in 'B'", "Sales"),  # else 30 - 20 - 8 would tell of two
    ]


def test_what_is_not_said_can_never_be_worked_out(week: Case) -> None:
    """Random weeks: the whole's number less those said is nobody, or a group large enough."""
    from orchestration.scorecard.figures import Figures

    chance = random.Random(17)
    silent = 0
    for _ in range(200):
        counts = {unit: chance.choice([0, 1, 3, 4, 5, 6, 9, 40]) for unit in ("o", "s", "x")}
        directly = chance.choice([0, 0, 1, 4, 8])  # in the whole, but in none of its units
        week.values = {}
        overdue_people(week, whole=sum(counts.values()) + directly, **counts)
        figures = Figures(week.marts, week.period, week.basis, week.settings)
        blockers = ranked_blockers(figures, week.charter)
        said = {
            b.unit: counts[b.unit[0].lower()] if b.unit != "Executive office" else counts["x"]
            for b in blockers
            if not b.what.startswith("People")
        }
        silent += len(blockers) - len(said)
        assert not any(0 < count < 5 for count in said.values())
        beside = {f.kpi_id: f.figure for f in week.kpi("on_time_completion_rate").beside}
        if beside["mandatory_overdue_today"].state == "value":
            left = sum(counts.values()) + directly - sum(said.values())
            assert not 0 < left < 5
    assert silent > 50


def test_begun_and_stopped_is_told_from_not_begun(week: Case) -> None:
    for course, unit, people, begun in (("A", "o", 23, 23), ("B", "s", 9, 0), ("C", "x", 8, 3)):
        row = week.row("stalled_enrolments", org_unit_id=unit, course_id=course, title=course,
                       people=people)  # fmt: skip
        row["begun"] = begun
    assert [(b.what, b.unit) for b in stand_up(week).blockers] == [
        ("23 people have begun 'A' and stopped for 30 days", "Operations"),
        ("Nine people have not begun 'B' for 30 days", "Sales"),
        ("Eight people have not begun 'C', or begun it and stopped for 30 days",
         "Executive office"),
    ]  # fmt: skip


def test_overdue_mandatory_learning_is_no_blocker_twice(week: Case) -> None:
    overdue_people(week, whole=40, o=40)
    for course, mandatory in (("M", True), ("E", False)):
        week.row("stalled_enrolments", org_unit_id="o", course_id=course, title=course,
                 is_mandatory=mandatory, people=20)  # fmt: skip
    week.row("stalled_enrolments", org_unit_id="s", course_id="M", title="M", is_mandatory=True,
             people=9)  # fmt: skip
    assert [(b.what, b.unit) for b in stand_up(week).blockers] == [
        ("40 people are overdue with mandatory learning", "Operations"),
        ("20 people have come to a halt in 'E'", "Operations"),
        ("Nine people have come to a halt in 'M'", "Sales"),
    ]


def test_two_holders_and_circular_deputies_are_said_every_week(week: Case) -> None:
    for unit, role, fault in (
        ("o", "sponsor", "two_holders"),
        ("o", "sponsor", "two_holders"),
        ("whole", "ld_head", "circular_deputy"),
        ("s", "operator", "vacant"),
    ):
        week.row("governance_faults", org_unit_id=unit, role=role, fault=fault)
    assert stand_up(week).faults == (
        "Acme, L&D head: the deputies stand in for each other in a circle.",
        "Operations, sponsor: two people hold the role.",
    )
    assert not week.build().nothing_to_decide


def rate(case: Case, unit: str, value: int, variation: str, people: int = 100) -> None:
    case.value("active_learner_rate", value, unit=unit, numerator=value, denominator=people,
               people=people)  # fmt: skip
    case.signal("active_learner_rate", variation, unit=unit)


def test_a_falling_rate_is_a_signal_of_the_week_not_a_low_figure(week: Case) -> None:
    week.unit("o1", "o", name="Packaging", headcount=60, depth=2)
    rate(week, "whole", 30, "concerning")
    rate(week, "o", 20, "concerning")
    rate(week, "o1", 10, "concerning")
    rate(week, "s", 2, "ordinary")
    rate(week, "x", 20, "concerning", people=4)
    (blocker,) = stand_up(week).blockers
    assert (blocker.blocker, blocker.unit, blocker.who) == (
        "Voluntary learning falls",
        "Operations",
        "Ada Byron",
    )
    assert blocker.what == (
        "The rate of voluntary active learners is worse than its usual range: 20.0 %"
    )
    week.feed("activity", "stale", date(2026, 11, 3))
    assert [b.blocker for b in stand_up(week).blockers] == ["A feed is behind"]


def test_a_feed_that_is_behind_counts_where_a_figure_stands_on_it(week: Case) -> None:
    week.feed("initiatives", "stale", date(2026, 11, 3))
    week.feed("enrolments", "stale", date(2026, 11, 3))
    week.feed("activity", "complete", date(2026, 11, 8))
    week.feed("assessments", "not_connected")
    (blocker,) = stand_up(week).blockers
    assert (blocker.what, blocker.unit, blocker.who) == (
        "The data of enrolments are behind, known up to 3 November 2026",
        "Acme",
        "Grace Hopper",
    )
    week.feeds = []
    for name, day in (("people", 5), ("org_units", 4), ("enrolments", 3), ("courses", 2)):
        week.feed(name, "stale", date(2026, 11, day))
    week.feed("certifications", "missing")
    (blocker,) = stand_up(week).blockers
    assert blocker.what == (
        "The data of people, enrolments, courses and one other feed are behind, known up to 2 "
        "November 2026"
    )
    # who has completed or gone on since then is not known
    overdue_people(week, o=40)
    week.row("stalled_enrolments", org_unit_id="o", course_id="C", title="Safety", people=12)
    assert [b.blocker for b in stand_up(week).blockers] == ["A feed is behind"]


def test_late_actions_are_one_blocker_a_unit_leaders_apart(week: Case) -> None:
    week.row("named_leaders", person_id="p1", full_name="Ada Byron", role="executive_sponsor")
    for entry_id, person in (("1", "p1"), ("2", "p1"), ("3", None)):
        week.log(entry_id, kind="action", org_unit_id="o", owner_person_id=person,
                 asked_on=date(2026, 10, 1), first_due_on=date(2026, 11, 1),
                 status="overdue")  # fmt: skip
    week.log("4", asked_on=date(2026, 10, 1), first_due_on=date(2026, 11, 1), status="overdue",
             owner_person_id="p1")  # fmt: skip
    found = stand_up(week)
    assert [(b.blocker, b.what, b.who) for b in found.blockers] == [
        ("A leader's action is overdue", "Two leader actions are overdue", "Emmy Noether"),
        ("An action is overdue", "One action is overdue", "Emmy Noether"),
    ]
    assert len(found.overdue) == 4


def test_who_lets_an_action_wait_is_not_named_to_remove_it(week: Case) -> None:
    week.row("named_leaders", person_id="Emmy Noether", full_name="Emmy Noether", role="unit_head")
    week.log("1", kind="action", org_unit_id="o", owner_person_id="Emmy Noether",
             asked_on=date(2026, 10, 1), first_due_on=date(2026, 11, 1),
             status="overdue")  # fmt: skip
    (blocker,) = stand_up(week).blockers
    assert (blocker.what, blocker.who) == ("One leader action is overdue", "Ada Byron")
    week.models["decision_log"][0].update(org_unit_id=None, owner_person_id="Ada Byron")
    (blocker,) = stand_up(week).blockers
    assert blocker.who == "ELT"


def test_a_blocker_that_the_charter_has_nobody_for_is_left_out(week: Case) -> None:
    overdue_people(week, o=40)
    week.rights = [r for r in week.rights if r["decision_id"] != "protect_learning_time"]
    assert stand_up(week).blockers == ()


# ---------------------------------------------------------------- wins and warnings


def test_wins_are_real_rises_first_times_and_leaders(week: Case) -> None:
    rate(week, "s", 60, "improving")
    rate(week, "o", 90, "ordinary")
    week.row("named_leaders", person_id="p1", full_name="Ada Byron", role="executive_sponsor")
    week.row("leader_completions", person_id="p1", org_unit_id="whole", course_id="F",
             title="Leading", is_flagship=1, completed_on=date(2026, 11, 4))  # fmt: skip
    week.row("leader_completions", person_id="p9", org_unit_id="o", course_id="E",
             title="Excel", is_flagship=0, completed_on=date(2026, 11, 3))  # fmt: skip
    week.row("course_rises", course_id="A", title="Coaching", completions=34, upper=20, is_rise=1)
    week.row("course_rises", course_id="B", title="Welding", completions=3, first_ever=1)
    week.row("course_rises", course_id="C", title="Typing", completions=9, upper=12)
    assert [(w.what, w.unit) for w in stand_up(week).wins] == [
        ("The rate of voluntary active learners is better than its usual range: 60.0 %", "Sales"),
        ("Ada Byron completed the flagship course 'Leading'", "Acme"),
        ("34 people completed 'Coaching', more than its usual range", "Acme"),
    ]
    week.models["course_rises"] = week.models["course_rises"][1:]
    week.models["leader_completions"] = week.models["leader_completions"][1:]
    assert [(w.what, w.unit) for w in stand_up(week).wins][1:] == [
        ("'Welding' was completed for the first time", "Acme"),
        ("A leader completed 'Excel'", "Operations"),
    ]


def test_two_warnings_are_shown_the_longest_standing_first(week: Case) -> None:
    for unit, day in (("o", 20), ("s", 5), ("whole", 12)):
        week.row("early_warnings", warning_id="one_function", org_unit_id=unit, measured=4,
                 parameter="weeks_with_one_function_only",
                 threshold=4, pain_point="delegated_to_one_function", owner_role="sponsor",
                 since_on=date(2026, 10, day), due_on=date(2026, 11, 18), entry_id=unit,
                 countermeasure="The sponsor takes the next action in person.")  # fmt: skip
    found = stand_up(week)
    assert [w.unit for w in found.warnings] == ["Sales", "Acme"]
    assert found.more_warnings == 1
    assert len(week.build().warnings) == 3
    assert found.warnings[0].pain_point == "delegated to one function"


def test_the_week_asks_for_no_decision_and_has_no_leadership_page(week: Case) -> None:
    week.index("visible_weeks", 9, 13)
    week.log("d", asked_in="2026-W44", asked_on=date(2026, 11, 2), status="open")
    card = week.build()
    assert card.decisions == () and card.candidates == ()
    assert (card.leadership_page, card.strategy, card.decisions_total) == (None, None, None)
    assert card.sitting is not None and card.sitting.name == "Weekly adoption stand-up"
