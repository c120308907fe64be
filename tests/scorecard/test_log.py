"""The decision and action log on the pages, the comments, and what is asked because of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.periods import Period
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.decisions import published_on

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any


def ids(case: Case) -> list[str]:
    card = case.build()
    assert inconsistencies(card, case.marts) == []
    return [entry.entry_id for entry in card.log]


def test_the_last_review_s_decisions_come_first_then_what_is_open(full_case: Case) -> None:
    """Asked by September's review or within October: four, one of them withdrawn."""
    full_case.log("b", asked_in="2026-09", asked_on=date(2026, 10, 7), status="decided",
                  decided_on=date(2026, 10, 12), waiting_days=5)  # fmt: skip
    full_case.log("a", asked_in="2026-09", asked_on=date(2026, 10, 7), status="overdue",
                  first_due_on=date(2026, 10, 17), waiting_days=24)  # fmt: skip
    full_case.log("c", asked_on=date(2026, 10, 31), source="person", status="done",
                  closed_on=date(2026, 10, 31))  # fmt: skip
    full_case.log("d", asked_in="2026-09", asked_on=date(2026, 10, 7), status="withdrawn",
                  withdrawn_on=date(2026, 10, 20))  # fmt: skip
    full_case.log("older, decided", asked_in="2026-07", asked_on=date(2026, 8, 7),
                  status="decided", decided_on=date(2026, 8, 9))  # fmt: skip
    full_case.log("older, open", asked_in="2026-07", asked_on=date(2026, 8, 7))
    full_case.log("action", kind="action", asked_on=date(2026, 10, 2))
    full_case.log("done", kind="commitment", asked_on=date(2026, 6, 1), status="done")
    full_case.log("promise", kind="commitment", asked_on=date(2026, 6, 1))
    assert ids(full_case) == ["a", "b", "d", "c", "older, open", "promise", "action"]
    card = full_case.build()
    assert (card.decisions_done, card.decisions_total) == (2, 3)  # b and c, of a, b and c
    assert [entry.status_text for entry in card.log[:4]] == [
        "overdue by 14 days",
        "decided on 12 October 2026",
        "withdrawn on 20 October 2026",
        "done on 31 October 2026",
    ]
    assert [entry.waiting_days for entry in card.log[:2]] == [24, 5]


def test_a_quarter_s_log_stands_on_the_quarter_before(quarter_case: Case) -> None:
    quarter_case.log("sync", asked_in="2026-Q2", asked_on=date(2026, 6, 30), status="decided")
    quarter_case.log("month", asked_in="2026-06", asked_on=date(2026, 7, 7), status="open")
    card = quarter_case.build()
    assert [entry.entry_id for entry in card.log] == ["sync", "month"]
    assert (card.decisions_done, card.decisions_total) == (1, 2)


def test_no_decision_asked_is_no_zero_of_zero(full_case: Case) -> None:
    assert full_case.build().decisions_total is None
    full_case.log("a", kind="action", asked_on=date(2026, 10, 7))
    full_case.log("b", asked_in="2026-09", asked_on=date(2026, 10, 7), status="withdrawn")
    assert full_case.build().decisions_total is None


def test_owners_are_leaders_by_name_and_others_by_role(full_case: Case) -> None:
    full_case.row("named_leaders", person_id="p1", full_name="Marie Curie", org_unit_id="whole")
    full_case.governance[1]["person_id"] = "p2"  # Grace Hopper, L&D head
    for entry_id, person, role in (
        ("1", "p1", "sponsor"),
        ("2", "p2", "ld_head"),
        ("3", "p3", "program_lead"),
        ("4", None, "manager|unit_head"),
        ("5", "p9", None),
    ):
        full_case.log(entry_id, owner_person_id=person, owner_role=role, owner_name="Some Body",
                      asked_on=date(2026, 10, int(entry_id)))  # fmt: skip
    assert [entry.owner for entry in full_case.build().log] == [
        "Marie Curie",
        "Grace Hopper",
        "programme lead",
        "manager and unit head",
        "not named",
    ]


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ("decided_without_right", "decided without the right to"),
        ("decision_for_unknown_entry", "decided, but never asked for"),
        ("unknown_right", "its decision right is not in the charter"),
        ("unknown_owner", "its owner is not known"),
        (None, None),
    ],
)
def test_faults_are_said(full_case: Case, fault: str | None, note: str | None) -> None:
    full_case.log("x", kind=None, title=None, fault=fault, decided_on=date(2026, 10, 9),
                  asked_on=date(2026, 10, 9), status="decided")  # fmt: skip
    (entry,) = full_case.build().log
    assert (entry.note, entry.title, entry.kind) == (note, "x", "decision")


def test_an_entry_names_its_unit_but_not_the_whole(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations")
    for unit in ("o", "whole", None, "gone"):
        full_case.log(f"in {unit}", org_unit_id=unit, asked_on=date(2026, 10, 1))
    units = {entry.entry_id: entry.unit for entry in full_case.build().log}
    assert units == {"in o": "Operations", "in whole": None, "in None": None, "in gone": "gone"}


# ---------------------------------------------------------------- what is asked because of it


def late(case: Case, entry_id: str, due_on: date, **given: Any) -> None:
    given = {"right_id": "fund_campaign_within_limit", "owner_role": "executive_sponsor", **given}
    case.log(entry_id, first_due_on=due_on, asked_on=date(2026, 9, 7), status="overdue",
             asked_in="2026-08", waiting_days=54, **given)  # fmt: skip


def test_an_overdue_decision_goes_one_level_up_under_its_own_id(full_case: Case) -> None:
    full_case.governance[0]["person_id"] = "p1"
    late(full_case, "2026-08/campaign/o", date(2026, 9, 17), owner_person_id="p1", amount=12000,
         if_not_taken="The change stays unanswered.")  # fmt: skip
    (decision,) = full_case.build().decisions
    assert decision.decision_id == "2026-08/campaign/o"
    assert decision.what == "Title of 2026-08/campaign/o"
    assert decision.why == ("It was due on 17 September 2026 and has waited 54 days for Ada Byron.")
    assert (decision.owner, decision.owner_role, decision.owner_role_id) == (
        "ELT",
        "ELT",
        "elt_member",
    )
    assert decision.amount == "GBP 12,000"
    assert decision.due_on == date(2026, 11, 16)
    assert decision.if_not_taken == "The change stays unanswered."
    assert decision.right_id == "fund_campaign_within_limit"


def test_the_level_above_a_unit_s_head_is_its_sponsor(full_case: Case) -> None:
    full_case.unit("o", "whole", name="Operations")
    full_case.holder("sponsor", "Emmy Noether", unit="o")
    late(full_case, "x", date(2026, 9, 17), owner_role="unit_head", org_unit_id="o",
         right_id="remove_blocker")  # fmt: skip
    (decision,) = full_case.build().decisions
    assert (decision.owner, decision.org_unit_id) == ("Emmy Noether", "o")
    assert decision.owner_person_id == "Emmy Noether"


def test_who_was_asked_one_level_up_has_until_the_new_date(full_case: Case) -> None:
    late(full_case, "x", date(2026, 9, 17))
    (row,) = full_case.models["decision_log"]
    row["due_on"] = date(2026, 10, 31)
    assert full_case.build().decisions == ()
    row["due_on"] = date(2026, 10, 30)
    assert [d.decision_id for d in full_case.build().decisions] == ["x"]


def test_who_holds_the_level_above_too_is_passed_over(full_case: Case) -> None:
    """Lin heads Operations and sponsors it: one level up is somebody else."""
    full_case.unit("o", "whole", name="Operations")
    for role in ("unit_head", "sponsor"):
        full_case.holder(role, "Lin Walsh", unit="o")
    late(full_case, "x", date(2026, 9, 17), owner_role="unit_head", org_unit_id="o",
         right_id="remove_blocker", owner_person_id="Lin Walsh")  # fmt: skip
    (decision,) = full_case.build().decisions
    assert (decision.owner, decision.owner_role_id) == ("Ada Byron", "executive_sponsor")


def test_who_decides_late_at_the_top_or_by_silence_is_not_asked_again(full_case: Case) -> None:
    late(full_case, "top", date(2026, 9, 17), owner_role="elt_member", right_id="set_targets")
    late(full_case, "silence", date(2026, 9, 17), right_id="decommission_elective")
    late(full_case, "nobody's", date(2026, 9, 17), right_id="unheard_of")
    late(full_case, "an action", date(2026, 9, 17), kind="action")
    assert full_case.build().decisions == ()
    # silence has decided that one, and last month's review said so
    assert [entry.entry_id for entry in full_case.build().log] == ["nobody's", "top", "an action"]


def test_what_waits_or_was_settled_lately_is_not_asked_twice(full_case: Case) -> None:
    from tests.scorecard.test_decisions import concerned_unit, missed

    concerned_unit(full_case, "o", 200, "Operations")
    missed(full_case, "active_learner_rate")
    full_case.log("2026-09/campaign/o", asked_in="2026-09", asked_on=date(2026, 10, 7),
                  first_due_on=date(2026, 11, 12))  # fmt: skip
    assert full_case.build().decisions == ()
    row = full_case.models["decision_log"][0]
    row.update(status="decided", decided_on=date(2026, 8, 3))  # 89 days before the period's end
    assert full_case.build().decisions == ()
    row.update(decided_on=date(2026, 8, 2))
    assert [d.decision_id for d in full_case.build().decisions] == ["2026-10/campaign/o"]


def test_the_longest_overdue_goes_first_and_three_are_the_most(full_case: Case) -> None:
    for day in (9, 8, 11, 10):
        late(full_case, f"of {day}", date(2026, 9, day))
    decisions = full_case.build().decisions
    assert [d.decision_id for d in decisions] == ["of 8", "of 9", "of 10"]


# ---------------------------------------------------------------- comments


def comment(case: Case, text: str, on: date, unit: str | None = "whole", who: str = "p2") -> None:
    case.row("kpi_comments", kpi_id="certification_rate", org_unit_id=unit, person_id=who,
             full_name="Not Printed", text=text, recorded_on=on)  # fmt: skip


def test_the_newest_comment_of_the_whole_is_shown(full_case: Case) -> None:
    full_case.unit("o", "whole")
    assert full_case.kpi("certification_rate").comment is None
    comment(full_case, "of a unit", date(2026, 11, 5), unit="o")
    assert full_case.kpi("certification_rate").comment is None
    comment(full_case, "second", date(2026, 11, 4), unit=None)
    comment(full_case, "first", date(2026, 11, 3))
    found = full_case.kpi("certification_rate").comment
    assert found is not None
    assert (found.text, found.by, found.recorded_on) == (
        "second",
        "L&D head",  # not known as the holder: by role
        date(2026, 11, 4),
    )
    full_case.governance[1]["person_id"] = "p2"
    found = full_case.kpi("certification_rate").comment
    assert found is not None and found.by == "Grace Hopper"
    assert full_case.kpi("time_to_competency").comment is None


# ---------------------------------------------------------------- candidates


def candidate(case: Case, course: str, **given: Any) -> None:
    given.setdefault("right_id", "decommission_elective")
    case.row("decommission_candidates", course_id=course, title=f"Course {course}", **given)


def test_courses_to_decommission_with_evidence_and_what_silence_means(full_case: Case) -> None:
    candidate(full_case, "B", reasons="unused|past_review", review_due_on=date(2026, 3, 1))
    candidate(full_case, "A", reasons="failing", active_people=40, ended_12m=40, completed_12m=3)
    candidate(full_case, "M", reasons="unused|past_review", review_due_on=date(2025, 12, 31),
              is_mandatory=True, right_id="decommission_mandatory")  # fmt: skip
    a, b, m = full_case.build().candidates
    assert a.what == "Course A (elective module)"
    assert a.evidence == (
        "Used: 40 people learned in it in the last 180 days.",
        "Failing: 8 % of the 40 enrolments that ended in the last 12 months were completed.",
    )
    assert b.evidence == (
        "Unused: nobody learned in it in the last 180 days.",
        "No enrolment in it ended in the last 12 months.",
        "Past its review: it was due on 1 March 2026.",
    )
    assert (a.owner, a.due_on, a.silence) == (
        "Grace Hopper",
        date(2026, 11, 16),
        "No answer by 16 November 2026 retires it.",
    )
    assert (m.owner, m.due_on, m.silence) == (
        "Alan Turing",
        date(2026, 11, 26),
        "It is never retired by silence; no answer goes one level up.",
    )


def test_evidence_counts_no_small_group(full_case: Case) -> None:
    candidate(full_case, "A", reasons="unused|failing", active_people=3, ended_12m=4,
              completed_12m=1)  # fmt: skip
    (found,) = full_case.build().candidates
    assert found.evidence == (
        "Used by too few people to show in the last 180 days.",
        "Failing: few of those who take it complete it.",
    )


def test_use_and_completion_are_always_said(full_case: Case) -> None:
    candidate(full_case, "A", reasons="unused", active_people=0, ended_12m=0)
    candidate(full_case, "B", reasons="unused", active_people=0, ended_12m=20, completed_12m=19)
    candidate(full_case, "C", reasons="failing", active_people=1200, ended_12m=4)
    assert [found.evidence for found in full_case.build().candidates] == [
        ("Unused: nobody learned in it in the last 180 days.",
         "No enrolment in it ended in the last 12 months."),
        ("Unused: nobody learned in it in the last 180 days.",
         "Completion: 95 % of the 20 enrolments that ended in the last 12 months were completed."),
        ("Used: 1,200 people learned in it in the last 180 days.",
         "Failing: few of those who take it complete it."),
    ]  # fmt: skip


def test_a_course_past_its_review_only_is_to_be_reviewed_by_its_owner(full_case: Case) -> None:
    candidate(full_case, "A", reasons="past_review", review_due_on=date(2026, 3, 1),
              active_people=60, ended_12m=50, completed_12m=45, owner_person_id="p9")  # fmt: skip
    card = full_case.build()
    assert card.decisions == ()
    (found,) = card.candidates
    assert (found.what, found.owner) == ("Review of Course A (elective module)", "course owner")
    assert (found.entry_id, found.right_id, found.owner_person_id) == ("review/A", None, "p9")
    assert found.silence == "It is not retired; the review stays overdue."
    assert found.evidence == (
        "Used: 60 people learned in it in the last 180 days.",
        "Completion: 90 % of the 50 enrolments that ended in the last 12 months were completed.",
        "Past its review: it was due on 1 March 2026.",
    )


def logged(case: Case, course: str, **given: Any) -> dict[str, Any]:
    due = given.setdefault("first_due_on", date(2026, 11, 4))
    return case.log(f"decommission/{course}", asked_on=date(2026, 10, 7), asked_in="2026-09",
                    **{"right_id": "decommission_elective", "owner_role": "ld_head",
                       "due_on": due, "waiting_days": 24, **given})  # fmt: skip


def test_a_candidate_asked_for_before_keeps_its_date_and_is_asked_once(full_case: Case) -> None:
    candidate(full_case, "A", reasons="unused")
    candidate(full_case, "B", reasons="unused")
    logged(full_case, "A")
    card = full_case.build()
    assert inconsistencies(card, full_case.marts) == []
    a, b = card.candidates
    assert (a.due_on, a.silence) == (date(2026, 11, 4), "No answer by 4 November 2026 retires it.")
    assert (a.asked_on, a.status_text) == (
        date(2026, 10, 7), "asked 24 days ago; open, due on 4 November 2026",
    )  # fmt: skip
    assert (b.due_on, b.asked_on) == (date(2026, 11, 16), None)  # ten days after publication
    assert [decision.covers for decision in card.decisions] == [("decommission/B",)]
    assert card.log == ()  # it stands among the candidates
    assert card.decisions_total == 1


def test_no_course_is_new_while_the_data_against_it_are_behind(full_case: Case) -> None:
    """Silence would retire it, and what was not delivered looks like what nobody uses."""
    for course, reasons in (("A", "unused"), ("B", "failing|past_review"), ("C", "past_review"),
                            ("D", "unused")):  # fmt: skip
        candidate(full_case, course, reasons=reasons)
    logged(full_case, "D")
    found = [each.entry_id for each in full_case.build().candidates]
    assert found == ["decommission/A", "decommission/B", "review/C", "decommission/D"]
    full_case.feed("activity", "stale", date(2026, 10, 12))
    card = full_case.build()
    found = [each.entry_id for each in card.candidates]
    assert found == ["decommission/B", "review/C", "decommission/D"]
    full_case.feed("enrolments", "stale", date(2026, 10, 12))
    card = full_case.build()
    assert [each.entry_id for each in card.candidates] == ["review/C", "decommission/D"]
    assert inconsistencies(card, full_case.marts) == [] and card.decisions == ()


def test_silence_retires_an_elective_course_once(full_case: Case) -> None:
    candidate(full_case, "A", reasons="unused")
    row = logged(full_case, "A", first_due_on=date(2026, 10, 19), status="overdue")
    card = full_case.build()
    assert inconsistencies(card, full_case.marts) == []
    assert card.candidates == () and card.decisions == ()
    (entry,) = card.log
    assert (entry.status_text, entry.took_effect_on) == (
        "took effect on 19 October 2026", date(2026, 10, 19),
    )  # fmt: skip
    assert (card.decisions_done, card.decisions_total) == (1, 1)
    row.update(asked_on=date(2026, 9, 7), asked_in="2026-08", first_due_on=date(2026, 9, 17),
               due_on=date(2026, 9, 17))  # fmt: skip
    card = full_case.build()
    assert card.log == () and card.candidates == ()  # September's review said so


def test_silence_retires_no_mandatory_course_and_it_goes_one_level_up(full_case: Case) -> None:
    candidate(full_case, "M", reasons="unused", is_mandatory=True,
              right_id="decommission_mandatory")  # fmt: skip
    row = logged(full_case, "M", right_id="decommission_mandatory", owner_role="compliance_owner",
                 first_due_on=date(2026, 10, 27), status="overdue")  # fmt: skip
    card = full_case.build()
    assert inconsistencies(card, full_case.marts) == []
    (found,) = card.candidates
    assert (found.owner, found.due_on) == ("Ada Byron", date(2026, 10, 27))
    assert found.silence == "It was not answered in time and goes one level up, to Ada Byron."
    assert found.status_text == "asked 24 days ago; overdue by 4 days"
    assert [d.decision_id for d in card.decisions] == ["decommission/M"]
    assert card.decisions[0].owner == "Ada Byron"
    row.update(status="decided", decided_on=date(2026, 10, 30), outcome="kept")
    card = full_case.build()
    assert card.candidates == ()
    assert [entry.outcome for entry in card.log] == ["kept"]


def test_a_quarter_s_new_candidates_have_the_date_of_its_last_month(quarter_case: Case) -> None:
    """September's pack is out on 7 October; ten days later is a Saturday."""
    candidate(quarter_case, "A", reasons="unused")
    (found,) = quarter_case.build().candidates
    assert published_on(quarter_case.period, quarter_case.settings) > date(2026, 10, 7)
    assert found.due_on == date(2026, 10, 19)


def test_a_candidate_that_nobody_could_decide_is_none(full_case: Case) -> None:
    candidate(full_case, "A", reasons="unused", right_id="unheard_of")
    card = full_case.build()
    assert card.candidates == () and card.decisions == ()


def test_candidates_are_asked_for_by_right(full_case: Case) -> None:
    for course in "ABCDEF":
        candidate(full_case, course, reasons="unused")
    candidate(full_case, "M", reasons="unused", is_mandatory=True,
              right_id="decommission_mandatory")  # fmt: skip
    elective, mandatory = full_case.build().decisions
    assert elective.what == (
        "Decommission six elective modules: Course A, Course B, Course C, Course D and two others"
    )
    assert elective.if_not_taken == ("If it is not taken by then, the proposal takes effect.")
    assert mandatory.what == "Decommission one mandatory module: Course M"
    assert mandatory.if_not_taken == "They stay in the catalogue."
    assert elective.covers == tuple(f"decommission/{course}" for course in "ABCDEF")
    assert (elective.owner, mandatory.owner) == ("Grace Hopper", "Alan Turing")


def campaign_unit(case: Case, unit: str, parent: str, value: int, variation: str,
                  assurance: str = "hit_and_miss", people: int = 100) -> None:  # fmt: skip
    depth = 1 if parent == "whole" else 2
    case.unit(unit, parent, name=f"Unit {unit}", headcount=people, depth=depth)
    case.value("active_learner_rate", value, unit=unit, numerator=value, denominator=people,
               people=people, target=50)  # fmt: skip
    case.signal("active_learner_rate", variation, assurance, unit=unit)


def test_campaign_candidates_are_what_the_limits_bear_out(full_case: Case) -> None:
    """A: concern, asked for as a decision. B: cannot reach its target. C: low, nothing more."""
    campaign_unit(full_case, "a", "whole", 40, "concerning", people=150)
    campaign_unit(full_case, "b", "whole", 30, "ordinary", "consistently_missed")
    campaign_unit(full_case, "b1", "b", 20, "concerning", people=60)
    campaign_unit(full_case, "c", "whole", 10, "ordinary")
    campaign_unit(full_case, "d", "whole", 60, "ordinary", "consistently_missed")  # met now
    campaign_unit(full_case, "e", "whole", 30, "improving", "consistently_missed")
    campaign_unit(full_case, "f", "whole", 10, "concerning", people=4)
    card = full_case.build()
    assert [d.decision_id for d in card.decisions] == ["2026-10/campaign/a"]
    (found,) = card.candidates  # the topmost stands for those beneath it
    assert found.what == "A campaign for voluntary active learners in Unit b"
    assert found.evidence == (
        "Voluntary active learners: 30.0 % in October 2026, against a target of 50.0 %.",
        "As the unit runs now its limits do not reach the target.",
    )
    assert (found.owner, found.due_on) == ("Ada Byron", date(2026, 11, 16))
    full_case.feed("activity", "stale", date(2026, 10, 12))
    assert full_case.build().candidates == ()


# ---------------------------------------------------------------- the year-end forecast


def test_a_predictable_level_is_expected_at_its_mean(full_case: Case) -> None:
    kpi = full_case.kpi("active_learner_rate")  # limits 48 to 58 about 53, two months left
    assert kpi.forecast is not None
    assert (kpi.forecast.text, kpi.forecast_range) == ("53.0 %", "48.0 to 58.0 %")


def test_a_stock_is_expected_at_its_value_and_the_gains_to_come(full_case: Case) -> None:
    """91.2 % + 2 x 0.1; its range is 1.0 (1.1 less the mean) x the root of 2 either way."""
    full_case.signal("certification_rate", "ordinary", basis="net_gain", charted="0.2",
                     mean="0.1", lower="-0.9", upper="1.1")  # fmt: skip
    kpi = full_case.kpi("certification_rate")
    assert kpi.forecast is not None
    assert (kpi.forecast.text, kpi.forecast_range) == ("91.4 %", "90.0 to 92.8 %")
    full_case.signal("certification_rate", "ordinary", basis="net_gain", charted=1, mean=6,
                     lower=1, upper=11)  # fmt: skip
    kpi = full_case.kpi("certification_rate")
    assert kpi.forecast is not None
    assert (kpi.forecast.text, kpi.forecast_range) == ("100.0 %", "96.1 to 100.0 %")


@pytest.mark.parametrize("variation", ["improving", "concerning", "too_few_points"])
def test_no_forecast_of_what_is_not_predictable(full_case: Case, variation: str) -> None:
    full_case.signal("active_learner_rate", variation, charted="53.2", mean=53, lower=48, upper=58)
    assert full_case.kpi("active_learner_rate").forecast is None


def test_no_forecast_without_limits_or_of_another_group_or_at_the_year_s_end(
    full_case: Case,
) -> None:
    full_case.value("active_learner_rate", 50, period=Period.parse("2026-03"), people=3)
    assert full_case.kpi("active_learner_rate").forecast is None  # limits would tell of three
    assert full_case.kpi("time_to_competency").forecast is not None
    for back in range(4):
        full_case.value("time_to_competency", 41, period=full_case.period.shift(-back),
                        numerator=60, denominator=300, target=45)  # fmt: skip
    assert full_case.kpi("time_to_competency").caution is not None
    assert full_case.kpi("time_to_competency").forecast is None
    december = Period.parse("2026-12")
    full_case.period, full_case.units = december, []
    full_case.unit("whole", headcount=500)
    full_case.value("on_time_completion_rate", 87, numerator=870, denominator=1000)
    full_case.signal("on_time_completion_rate", "ordinary", charted=87, mean=87, lower=82, upper=91)
    assert full_case.kpi("on_time_completion_rate").forecast is None
    assert full_case.kpi("on_time_completion_rate").limits is not None


def test_the_forecast_of_a_quarter_s_figure_on_a_monthly_page(full_case: Case) -> None:
    kpi = full_case.kpi("performance_improvement")  # of Q3: one quarter is left
    assert kpi.forecast is not None
    assert (kpi.forecast.text, kpi.forecast_range) == ("+3.0 %", "-1.0 to +7.0 %")
    assert kpi.forecast.value == Decimal("3.0")
