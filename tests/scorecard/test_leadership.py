"""The leadership page, the plans, the early warnings and the sitting."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from orchestration.periods import Period
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.model import Leadership, PlanProgress, UnitLeadership
from orchestration.scorecard.sitting import sitting
from orchestration.settings import OrganisationSettings, ReviewSettings, Settings
from tests.scorecard.conftest import seed

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any

FEW = "too few people to show"


def page(case: Case) -> Leadership:
    card = case.build()
    assert inconsistencies(card, case.marts) == []
    assert card.leadership_page is not None
    return card.leadership_page


def units(case: Case) -> dict[str, UnitLeadership]:
    return {unit.org_unit_id: unit for unit in page(case).units}


def test_there_is_no_page_before_anything_is_published(full_case: Case) -> None:
    card = full_case.build()
    assert card.leadership_page is None
    assert (card.strategy, card.stand_up) == (None, None)  # the quarter's, and the week's


def test_indices_by_unit_in_tree_order_never_by_figure(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations", headcount=200)
    full_case.unit("a", "whole", name="Accounts", headcount=100)
    full_case.holder("sponsor", "Emmy Noether", unit="o")
    for unit, weeks in (("o", 12), ("a", 2), ("whole", 9)):
        full_case.index("visible_weeks", weeks, 13, org_unit_id=unit, people=1)
    full_case.index("leaders_active", 7, 10, people=10)
    full_case.index("leaders_flagship", 4, 10, people=10)
    full_case.index("velocity_before", 24, 200, value="12.0", people=200, org_unit_id="o")
    full_case.index("velocity_after", 33, 200, value="16.5", people=200, org_unit_id="o")
    full_case.index("commitments_on_time", 3, 4, org_unit_id="o")
    full_case.index("decision_wait_days", None, 3, value="6.5", org_unit_id="o")
    full_case.index("cascade_reach", 18, 20, org_unit_id="o", people=20)
    assert [unit.name for unit in page(full_case).units] == ["Acme", "Accounts", "Operations"]
    found = units(full_case)
    o, whole = found["o"], found["whole"]
    assert [u.visible_weeks.text for u in (whole, found["a"], o)] == [
        "9 of 13",
        "2 of 13",
        "12 of 13",
    ]
    assert (whole.leaders_active.text, whole.leaders_flagship.text) == ("7 of 10", "4 of 10")
    assert (o.velocity_before.text, o.velocity_after.text) == ("12.0 per 100", "16.5 per 100")
    assert (o.commitments.text, o.decision_wait.text, o.cascade.text) == (
        "3 of 4",
        "6.5 days",
        "18 of 20",
    )
    assert (o.sponsor, whole.sponsor, o.depth) == ("Emmy Noether", "Ada Byron", 1)
    nothing = found["a"]
    assert (nothing.commitments.text, nothing.decision_wait.text, nothing.cascade.text) == (
        "no record",
        "no record",
        "no record",
    )
    assert nothing.velocity_after.state == "no_data"


def test_the_longest_open_wait_stands_with_its_owner(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations", headcount=200)
    for unit in ("whole", "o"):
        full_case.index("visible_weeks", 9, 13, org_unit_id=unit, people=1)
    for entry_id, unit, days, status in (
        ("a", "o", 24, "overdue"), ("b", None, 30, "open"), ("c", "o", 90, "decided"),
    ):  # fmt: skip
        full_case.log(entry_id, org_unit_id=unit, waiting_days=days, status=status,
                      asked_on=date(2026, 10, 1), owner_role="finance",
                      first_due_on=date(2026, 10, 20))  # fmt: skip
    full_case.log("d", kind="action", org_unit_id="o", waiting_days=99, asked_on=date(2026, 7, 1))
    found = units(full_case)
    waits = {
        unit: (u.longest_wait.text if u.longest_wait else None, u.longest_wait_owner)
        for unit, u in found.items()
    }
    assert waits == {"whole": ("30 days", "finance"), "o": ("24 days", "finance")}
    full_case.models["decision_log"] = []
    assert units(full_case)["o"].longest_wait is None


def test_the_cascade_names_its_message_and_says_where_there_is_none(full_case: Case) -> None:
    for unit in ("o", "s"):
        full_case.unit(unit, "whole", headcount=100)
    row = full_case.index("cascade_reach", 18, 20, org_unit_id="o", people=20)
    row["detail"] = "Safety first"
    full_case.index("cascade_reach", None, None, org_unit_id="s", people=0,
                    no_data_reason="no message issued")  # fmt: skip
    found = units(full_case)
    assert (found["o"].cascade.text, found["o"].cascade_message) == ("18 of 20", "Safety first")
    assert (found["s"].cascade.text, found["s"].cascade_message) == (
        "no message in this period", None,
    )  # fmt: skip
    assert page(full_case).flagship_group == "all leaders"


def test_small_groups_and_their_complements_are_withheld(full_case: Case) -> None:
    """Of 20 leaders 12 are in o, 5 in a and 3 in x: x is small, a would give it away."""
    for unit, leaders in (("o", 12), ("a", 5), ("x", 3)):
        full_case.unit(unit, "whole", headcount=100)
        full_case.index("leaders_active", leaders - 1, leaders, org_unit_id=unit, people=leaders)
        full_case.index("visible_weeks", 9, 13, org_unit_id=unit, people=1)
    full_case.index("leaders_active", 17, 20, people=20)
    found = units(full_case)
    assert {name: unit.leaders_active.text for name, unit in found.items()} == {
        "whole": "17 of 20",
        "o": "11 of 12",
        "a": FEW,
        "x": FEW,
    }
    assert found["x"].visible_weeks.text == "9 of 13"  # a named sponsor's own
    row = full_case.models["leader_indices"][0]
    assert row["org_unit_id"] == "o"


def test_the_velocities_of_one_line_are_withheld_together(full_case: Case) -> None:
    full_case.unit("o", "whole", headcount=100)
    full_case.index("velocity_before", 1, 4, value=25, people=4, org_unit_id="o")
    full_case.index("velocity_after", 9, 90, value=10, people=90, org_unit_id="o")
    o = units(full_case)["o"]
    assert (o.velocity_before.text, o.velocity_after.text) == (FEW, FEW)


def test_attendance_is_a_footnote(full_case: Case) -> None:
    full_case.unit("o", "whole")
    for person, role in (("p1", "sponsor"), ("p2", "elt_member"), ("p3", "sponsor"),
                         ("p4", "unit_head")):  # fmt: skip
        full_case.row("named_leaders", person_id=person, role=role, org_unit_id="o")
    for person, unit, count in (("p1", "o", 5), ("p1", "whole", 5), ("p2", "o", 2),
                                ("p3", "o", None), ("p4", "o", 9)):  # fmt: skip
        full_case.index("reviews_attended", count, None, subject="leader", person_id=person,
                        org_unit_id=unit)  # fmt: skip
    assert page(full_case).footnote == (
        "Attendance at reviews, for the record: 7 by two sponsors and members of the ELT."
    )
    full_case.models["leader_indices"] = full_case.models["leader_indices"][3:]
    assert page(full_case).footnote is None


def test_weeks_without_any_record_are_no_zero(full_case: Case) -> None:
    full_case.index("visible_weeks", 0, 13, people=1, value=None, no_data_reason="no record")
    assert units(full_case)["whole"].visible_weeks.text == "no record"
    full_case.models["leader_indices"][0]["value"] = Decimal(0)  # recorded, but none visible
    assert units(full_case)["whole"].visible_weeks.text == "0 of 13"


def test_vacancies_are_listed_without_persons(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations")
    for unit, role, fault, person in (
        ("o", "sponsor", "two_holders", "p1"),
        ("o", "sponsor", "two_holders", "p2"),
        ("o", "operator", "vacant", None),
        ("whole", "executive_sponsor", "no_deputy", "p1"),
        ("whole", "ld_head", "circular_deputy", "p3"),
        ("o", "measurer", "holder_left", "p4"),
    ):
        full_case.row("governance_faults", org_unit_id=unit, role=role, fault=fault,
                      person_id=person)  # fmt: skip
    assert page(full_case).vacancies == (
        "Acme, executive sponsor: no deputy is named.",
        "Acme, L&D head: the deputies stand in for each other in a circle.",
        "Operations, measurer: the holder has left.",
        "Operations, operator: nobody holds the role.",
        "Operations, sponsor: two people hold the role.",
    )


# ---------------------------------------------------------------- plans


def plan_of(case: Case, unit: str, launch_on: date, *actions: tuple[Any, ...]) -> None:
    """(day, action, status, more columns) of each action of a unit's plan."""
    for day, action, status, *more in actions:
        case.row(
            "leader_plan",
            org_unit_id=unit,
            launch_on=launch_on,
            day_now=(case.period.end - launch_on).days,
            plan_day=day,
            action=action,
            status=status,
            due_on=launch_on + timedelta(days=day),
            **{"owner_role": "sponsor", **(more[0] if more else {})},
        )


def progress(case: Case) -> PlanProgress:
    (found,) = page(case).plans
    return found


def test_day_n_of_90_and_what_was_due_and_is_done(full_case: Case) -> None:
    """Launched on 1 September: 31 October is day 60. Three were due, two of them are done."""
    full_case.holder("operations_head", "Lin Walsh")
    full_case.row("named_leaders", person_id="p1", full_name="Ada Byron", role="executive_sponsor")
    plan_of(
        full_case, "whole", date(2026, 9, 1),
        (30, "Hold the first review", "overdue", {"owner_role": "program_lead"}),
        (14, "Hold the launch town hall", "done",
         {"owner_person_id": "p1", "evidence": "town_hall", "evidence_on": date(2026, 9, 14)}),
        (0, "Name sponsor and deputy", "done", {"evidence_kind": "governance_roles"}),
        (70, "Decide the first list", "due"),
        (120, "Show whether adoption held", "not_yet", {"phase": "hold"}),
    )  # fmt: skip
    found = progress(full_case)
    assert (found.unit, found.leader, found.day) == ("Acme", "Ada Byron", 60)
    assert (found.done, found.due_by_now, found.on_track.text) == (2, 3, "67 %")
    assert [(item.day, item.owner, item.status, item.evidence) for item in found.items] == [
        (0, "sponsor", "done", "Governance roles"),
        (14, "Ada Byron", "done", "Town hall, 14 September 2026"),
        (30, "programme lead", "overdue", None),
        (70, "sponsor", "due", None),
    ]
    assert found.items[2].due_on == date(2026, 10, 1)
    assert (found.asks_for, found.held) == (None, None)
    assert page(full_case).exceptions == (
        "Acme: one plan action is overdue, first 'Hold the first review' (programme lead, due on "
        "1 October 2026).",
    )


def test_plans_start_on_different_days_and_one_to_come_is_no_plan_yet(full_case: Case) -> None:
    for unit in ("a", "b", "c"):
        full_case.unit(unit, "whole", name=unit.upper())
    plan_of(full_case, "b", date(2026, 8, 1), (0, "x", "done"))
    plan_of(full_case, "a", date(2026, 10, 31), (5, "x", "not_yet"))
    plan_of(full_case, "c", date(2026, 11, 1), (0, "x", "not_yet"))
    plans = page(full_case).plans
    assert [(plan.unit, plan.day, plan.on_track.text) for plan in plans] == [
        ("A", 0, "no data"),
        ("B", 91, "100 %"),
    ]


CLOSING = ("decision_log", "scale_adjust_stop")


@pytest.mark.parametrize("status", ["overdue", "done"])
def test_day_90_asks_for_scale_adjust_or_stop(full_case: Case, status: str) -> None:
    full_case.unit("o", "whole", name="Operations")
    kind, evidence = CLOSING
    closing = {"evidence_kind": kind, "evidence": evidence}
    plan_of(full_case, "o", date(2026, 8, 2), (90, "Hold the sync", status, closing))
    card = full_case.build()
    assert card.leadership_page is not None
    (plan,) = card.leadership_page.plans
    assert plan.day == 90
    if status == "done":
        assert plan.asks_for is None and card.decisions == ()
        return
    assert plan.asks_for == "Day 90 is reached: scale, adjust or stop is for ELT to decide."
    (decision,) = card.decisions
    assert decision.decision_id == "2026-10/scale-adjust-stop/o"
    assert decision.what == "Scale, adjust or stop the programme in Operations"
    assert (decision.owner, decision.due_on, decision.right_id) == (
        "ELT",
        date(2026, 11, 16),
        "scale_adjust_stop",
    )
    assert decision.if_not_taken == "The programme runs on without a plan."


def test_each_plan_that_ends_asks_for_itself(full_case: Case) -> None:
    """a was asked last month and waits; of b and its part c, launched together, b is asked."""
    for unit, above in (("a", "whole"), ("b", "whole"), ("c", "b"), ("d", "whole")):
        full_case.unit(unit, above, name=unit.upper())
    kind, evidence = CLOSING
    row = {"evidence_kind": kind, "evidence": evidence}
    for unit, launched in (
        ("a", date(2026, 6, 20)), ("b", date(2026, 8, 2)), ("c", date(2026, 8, 2)),
        ("d", date(2026, 8, 3)),
    ):  # fmt: skip
        plan_of(full_case, unit, launched, (90, "Hold the sync", "overdue", row))
    full_case.log("2026-09/scale-adjust-stop/a", right_id="scale_adjust_stop", org_unit_id="a",
                  asked_on=date(2026, 10, 7), status="open", waiting_days=24)  # fmt: skip
    card = full_case.build()
    assert [decision.decision_id for decision in card.decisions] == ["2026-10/scale-adjust-stop/b"]
    assert card.leadership_page is not None
    days = {plan.unit: (plan.day, plan.asks_for is not None) for plan in card.leadership_page.plans}
    assert days == {"A": (133, True), "B": (90, True), "C": (90, True), "D": (89, False)}


@pytest.mark.parametrize(
    ("variation", "verdict"),
    [
        ("ordinary", "no clear change since, adoption held"),
        ("improving", "better than its usual range, adoption held"),
        ("concerning", "worse than its usual range, adoption did not hold"),
        ("too_few_points", "too early to judge whether adoption held"),
    ],
)
def test_whether_adoption_held_is_said_as_far_as_the_limits_go(
    full_case: Case, variation: str, verdict: str
) -> None:
    """Launched on 1 June: day 90 is 30 August (July had ended), day 120 is 29 September."""
    plan_of(full_case, "whole", date(2026, 6, 1), (0, "x", "done"))
    full_case.value("active_learner_rate", 44, period=Period.parse("2026-07"), numerator=220,
                    denominator=500)  # fmt: skip
    full_case.value("active_learner_rate", 41, period=Period.parse("2026-08"), numerator=205,
                    denominator=500)  # fmt: skip
    full_case.signal("active_learner_rate", variation, period=Period.parse("2026-08"))
    assert progress(full_case).held == (
        "Day 120: voluntary active learners 41.0 % in August 2026, 44.0 % in July 2026 as the "
        f"plan ended; {verdict}."
    )


def test_day_180_follows_day_120_and_small_groups_are_not_told(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations")
    plan_of(full_case, "o", date(2026, 4, 1), (0, "x", "done"))  # day 90: 30 June
    assert progress(full_case).held is None  # nothing is published of the unit
    for month, people in (("2026-06", 40), ("2026-08", 40)):  # day 180: 28 September
        full_case.value("active_learner_rate", 50, unit="o", period=Period.parse(month),
                        numerator=people / 2, denominator=people, people=people)  # fmt: skip
    assert progress(full_case).held == (
        "Day 180: voluntary active learners 50.0 % in August 2026, 50.0 % in June 2026 as the plan "
        "ended; too early to judge whether adoption held."
    )
    full_case.value("active_learner_rate", 50, unit="o", period=Period.parse("2026-06"),
                    numerator=2, denominator=4, people=4)  # fmt: skip
    assert progress(full_case).held is None


# ---------------------------------------------------------------- warnings and exceptions


PARAMETERS = {row["warning_id"]: row["parameter"] for row in seed("early_warnings")}


def warn(case: Case, warning_id: str, measured: Any, **given: Any) -> None:
    case.row(
        "early_warnings",
        **{
            "warning_id": warning_id, "parameter": PARAMETERS.get(warning_id, warning_id),
            "pain_point": "no_visible_sponsor", "measured": measured,
            "threshold": 3, "since_on": date(2026, 10, 5), "countermeasure": "Do this.",
            "owner_role": "program_lead", "due_on": date(2026, 11, 10),
            "entry_id": f"{warning_id}/{given.get('org_unit_id')}/2026-10-05", **given,
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("warning_id", "measured", "finding"),
    [
        ("sponsor_silent_4", 4, "No record of a visible sponsor action for 4 weeks"),
        ("sponsor_silent_3", 1, "No record of a visible sponsor action for 1 week"),
        ("mandatory_launches", 2, "2 mandatory launches within 30 days"),
        ("mandatory_hours", "4.5", "4.5 hours of mandatory learning due per head within 30 days"),
        ("competing_initiative", 1, "One competing initiative runs at the same time"),
        ("two_messages", 2, "2 messages for one audience are live at once"),
        ("old_message", 46, "The core sentence is 46 days old"),
        ("one_function", 4, "All leader actions of 4 weeks came from one function"),
        ("own_rule", 7, "Own rule: 7 (the limit: at least 3)"),
    ],
)
def test_a_warning_says_what_was_measured(
    full_case: Case, warning_id: str, measured: Any, finding: str
) -> None:
    warn(full_case, warning_id, measured, org_unit_id="whole")
    (found,) = full_case.build().warnings
    assert (found.finding, found.unit, found.since) == (finding, "Acme", date(2026, 10, 5))
    # published on Friday 6 November, sits on Wednesday the 11th, ten working days later; launches
    # that compete are told apart within five
    competing = warning_id in ("mandatory_launches", "mandatory_hours", "competing_initiative")
    due = date(2026, 11, 18 if competing else 25)
    assert (found.owner, found.due_on) == ("programme lead", due)
    assert found.countermeasure == "Do this."
    assert (found.asked_on, found.overdue, found.status_text) == (None, False, None)


def test_a_warning_that_the_log_has_shows_the_log_s_owner_date_and_age(full_case: Case) -> None:
    warn(full_case, "sponsor_silent_4", 4, org_unit_id="whole")
    full_case.row("named_leaders", person_id="p1", full_name="Ada Byron", role="executive_sponsor")
    row = full_case.log("sponsor_silent_4/whole/2026-10-05", kind="action", owner_person_id="p1",
                        asked_on=date(2026, 10, 12), first_due_on=date(2026, 10, 26),
                        due_on=date(2026, 10, 26), status="overdue", waiting_days=19)  # fmt: skip
    (found,) = full_case.build().warnings
    assert (found.owner, found.due_on, found.asked_on) == (
        "Ada Byron", date(2026, 10, 26), date(2026, 10, 12),
    )  # fmt: skip
    assert (found.overdue, found.status_text) == (True, "asked 19 days ago; overdue by 5 days")
    row.update(first_due_on=date(2026, 11, 4), due_on=date(2026, 11, 4), status="open")
    (found,) = full_case.build().warnings
    assert (found.overdue, found.status_text) == (
        False, "asked 19 days ago; open, due on 4 November 2026",
    )  # fmt: skip


@pytest.mark.parametrize("period", ["2026-W45", "2026-10", "2026-Q3", "2026-Q4"])
def test_a_new_action_is_due_on_a_working_day_after_the_sitting(case: Case, period: str) -> None:
    case.period, case.units = Period.parse(period), []
    case.unit("whole", name="Acme", headcount=500)
    warn(case, "two_messages", 2, org_unit_id="whole", due_on=case.period.end)
    card = case.build()
    (found,) = card.warnings  # a quarter shows its warnings, too
    assert card.sitting is not None
    assert found.due_on > card.sitting.starts_at.date()
    assert found.due_on.weekday() < 5


def test_shares_of_a_small_group_are_told_without_a_number(full_case: Case) -> None:
    full_case.unit("x", "whole", headcount=4)
    full_case.unit("o", "whole", headcount=40)
    full_case.row("message_cascade", message_id="m", org_unit_id="whole", managers=30)
    for unit, managers in (("x", 2), ("o", 20)):
        full_case.row("message_cascade", message_id="m", org_unit_id=unit, managers=managers)
        warn(full_case, "weak_cascade", 50, org_unit_id=unit, message_id="m",
             pain_point="inconsistent_messaging")  # fmt: skip
        warn(full_case, "mandatory_hours", 6, org_unit_id=unit, pain_point="competing_priorities")
    findings = {(w.warning_id, w.org_unit_id): w.finding for w in full_case.build().warnings}
    assert findings == {
        ("weak_cascade", "o"): "50 % of managers confirmed the message within 10 days",
        ("weak_cascade", "x"): "Too few managers confirmed the message within 10 days",
        ("mandatory_hours", "o"): "6 hours of mandatory learning due per head within 30 days",
        ("mandatory_hours", "x"): "Much mandatory learning is due within 30 days",
    }
    # nor where the share of the whole less this unit's would tell that of the two managers
    full_case.models["message_cascade"][0]["managers"] = 22
    findings = {(w.warning_id, w.org_unit_id): w.finding for w in full_case.build().warnings}
    assert findings["weak_cascade", "o"] == "Too few managers confirmed the message within 10 days"


def test_evidence_is_the_newest_five_and_a_count(full_case: Case) -> None:
    warn(full_case, "mandatory_launches", 7, org_unit_id="whole")
    for day in range(1, 8):
        full_case.row("early_warning_evidence", warning_id="mandatory_launches",
                      org_unit_id="whole", evidence_kind="course", evidence_id=f"C{day}",
                      evidence_on=date(2026, 10, day), note=f"Course C{day}")  # fmt: skip
    full_case.row("early_warning_evidence", warning_id="other", org_unit_id="whole",
                  evidence_id="x")  # fmt: skip
    (found,) = full_case.build().warnings
    assert found.entry_id == "mandatory_launches/whole/2026-10-05"
    assert found.evidence[0] == "Course C7, 7 October 2026"
    assert found.evidence[4:] == ("Course C3, 3 October 2026", "and 2 more")


def test_evidence_in_words(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations")
    full_case.unit("x", "whole", name="Office", headcount=4)
    warn(full_case, "one_function", 4, org_unit_id="whole")
    for kind, known, note, day in (
        ("org_unit", "o", "the one function that acts", 1),
        ("leader_action", "a1", "town_hall", 2),
        ("no_record", "whole", "no action on record since then", None),
    ):
        full_case.row("early_warning_evidence", warning_id="one_function", org_unit_id="whole",
                      evidence_kind=kind, evidence_id=known, note=note,
                      evidence_on=date(2026, 10, day) if day else None)  # fmt: skip
    warn(full_case, "mandatory_hours", 6, org_unit_id="x")
    full_case.row("early_warning_evidence", warning_id="mandatory_hours", org_unit_id="x",
                  note="Safety: 6.00 h a head")  # fmt: skip
    first, second = full_case.build().warnings
    assert first.evidence == (
        "Town hall, 2 October 2026",
        "Operations: the one function that acts, 1 October 2026",
        "no action on record since then",
    )
    assert (second.unit, second.evidence) == ("Office", ())


def test_exceptions_are_late_actions_silent_sponsors_and_late_decisions(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations")
    full_case.unit("a", "whole", name="Accounts")
    plan_of(full_case, "o", date(2026, 9, 1), (14, "Hold the town hall", "overdue"),
            (5, "Publish the dates", "overdue"))  # fmt: skip
    warn(full_case, "sponsor_silent_3", 4, org_unit_id="o")
    warn(full_case, "sponsor_silent_4", 4, org_unit_id="o", countermeasure="The deputy acts.")
    warn(full_case, "two_messages", 2, org_unit_id="a", pain_point="inconsistent_messaging")
    full_case.log("d", asked_on=date(2026, 10, 1), first_due_on=date(2026, 10, 11), waiting_days=30,
                  status="overdue", owner_role="ld_head", org_unit_id="a")  # fmt: skip
    first, second, third = page(full_case).exceptions
    assert first == (
        "Operations: two plan actions are overdue, first 'Publish the dates' (sponsor, due on 6 "
        "September 2026)."
    )
    assert second.startswith("Operations: no record of a visible sponsor action for 4 weeks; ")
    assert third == (
        'Accounts: the decision "Title of d" has waited 30 days for L&D head, overdue by 20 days.'
    )
    assert not any("absent" in text for text in page(full_case).exceptions)


# ---------------------------------------------------------------- the sitting


def organised(**over: Any) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="Acme", time_zone="Europe/London"), **over
    )


def test_a_review_sits_some_working_days_after_publication(full_case: Case) -> None:
    """October's pack is out on Friday 6 November, three working days later it is the 11th."""
    found = sitting(full_case.period, full_case.charter, organised())
    assert found is not None
    assert found.starts_at == datetime(2026, 11, 11, 10, tzinfo=ZoneInfo("Europe/London"))
    assert (found.name, found.minutes, found.place) == ("Monthly executive review", 30, None)
    assert found.agenda == ("exceptions 10", "decisions 15", "commitments 5")


def test_the_stand_up_sits_on_the_day_of_its_digest_by_the_clock_on_the_wall() -> None:
    from tests.scorecard.conftest import shipped_charter

    charter = shipped_charter()
    offsets = []
    for week in ("2026-W42", "2026-W43"):  # the clocks go back on 25 October
        found = sitting(Period.parse(week), charter, organised())
        assert found is not None
        offsets.append(found.starts_at.isoformat())
    assert offsets == ["2026-10-19T09:30:00+01:00", "2026-10-26T09:30:00+00:00"]
    later = organised(review=ReviewSettings(weekly_weekday=2))
    found = sitting(Period.parse("2026-W42"), charter, later)
    assert found is not None and found.starts_at.date() == date(2026, 10, 21)


def test_no_sitting_without_a_day_or_a_time(full_case: Case) -> None:
    from dataclasses import replace

    for column in ("sits_after_days", "starts_at"):
        rows = tuple({**row, column: ""} for row in full_case.charter.review_calendar)
        charter = replace(full_case.charter, review_calendar=rows)
        assert sitting(full_case.period, charter, organised()) is None
