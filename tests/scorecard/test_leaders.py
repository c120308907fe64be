"""The leaders' own pages: their own organisation, their own line, and nothing of another."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestration.problems import Problem
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.draft import leaders_file, read_leaders, write_leaders
from orchestration.settings import PathSettings

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any


@pytest.fixture
def case(full_case: Case) -> Case:
    """Ada leads the whole, Emmy sponsors Operations, Lise heads Packaging inside it, Max Sales."""
    full_case.unit("o", "whole", name="Operations", headcount=200)
    full_case.unit("o1", "o", name="Packaging", headcount=60, depth=2)
    full_case.unit("s", "whole", name="Sales", headcount=100)
    for unit, value, people in (("o", 40, 200), ("o1", 30, 60), ("s", 70, 100)):
        full_case.value("active_learner_rate", value, unit=unit, people=people, target=50,
                        numerator=people * value / 100, denominator=people)  # fmt: skip
    for person, name, role, unit, manager in (
        ("p1", "Ada Byron", "executive_sponsor", "whole", None),
        ("p2", "Emmy Noether", "sponsor", "o", "p1"),
        ("p2", "Emmy Noether", "elt_member", "whole", "p1"),
        ("p3", "Lise Meitner", "unit_head", "o1", "p2"),
        ("p4", "Max Born", "unit_head", "s", "p1"),
        ("p5", "Erwin Gone", "unit_head", "s", "p1"),
    ):
        full_case.row("named_leaders", person_id=person, full_name=name, role=role,
                      org_unit_id=unit, manager_id=manager, is_active=person != "p5")  # fmt: skip
    full_case.governance[0]["person_id"] = "p1"
    return full_case


def test_one_page_a_person_of_their_most_senior_role_and_own_unit(case: Case) -> None:
    pages = case.pages()
    assert {who: (p.name, p.role, p.unit, p.manager_person_id) for who, p in pages.items()} == {
        "p1": ("Ada Byron", "executive sponsor", "Acme", None),
        "p2": ("Emmy Noether", "ELT", "Operations", "p1"),
        "p3": ("Lise Meitner", "unit head", "Packaging", "p2"),
        "p4": ("Max Born", "unit head", "Sales", "p1"),
    }
    assert pages["p4"].organisation == "Acme"
    assert pages["p4"].reply_by == date(2026, 11, 5)  # the pack is out on the 6th


def test_a_unit_s_figures_against_target_as_the_unit_table_shows_them(case: Case) -> None:
    found = {kpi.kpi_id: kpi for kpi in case.pages()["p2"].kpis}
    active = found["active_learner_rate"]
    assert (active.now.text, active.target.text) == ("40.0 %", "50.0 %")
    assert active.mark.text == "Too early to judge; target missed this month"
    assert found["certification_rate"].now.state == "no_data"
    case.signal("active_learner_rate", "concerning", "consistently_missed", unit="o")
    active = {kpi.kpi_id: kpi for kpi in case.pages()["p2"].kpis}["active_learner_rate"]
    assert active.mark.text == "Concerning; target consistently missed"


def test_who_leads_no_unit_has_the_kpis_they_own(case: Case) -> None:
    case.row("named_leaders", person_id="Grace Hopper", full_name="Grace Hopper",
             role="elt_member", org_unit_id="whole", manager_id="p1")  # fmt: skip
    page = case.pages()["Grace Hopper"]
    assert [kpi.kpi_id for kpi in page.kpis] == ["time_to_competency", "certification_rate"]
    assert page.visible_weeks.text == "not asked of this role"
    assert len(case.pages()["p2"].kpis) == 5


def test_a_figure_withheld_in_the_pack_is_withheld_on_the_leader_s_page(case: Case) -> None:
    case.value("active_learner_rate", 50, unit="o1", people=4, numerator=2, denominator=4)
    kpis = {kpi.kpi_id: kpi for kpi in case.pages()["p3"].kpis}
    active = kpis["active_learner_rate"]
    assert (active.now.state, active.mark.text) == ("suppressed", "Too few people to show")


def test_a_leader_s_own_line(case: Case) -> None:
    def own(index_id: str, part: Any, total: Any, **more: Any) -> None:
        case.index(index_id, part, total, subject="leader", person_id="p2", org_unit_id="o", **more)

    own("visible_weeks", 9, 13)
    own("leaders_flagship", 1, 1)
    own("commitments_on_time", 2, 3)
    own("decision_wait_days", None, 2, value=4)
    own("reviews_attended", 5, None)
    case.index("visible_weeks", 1, 13, subject="leader", person_id="p4", org_unit_id="s")
    case.charter = replace(
        case.charter,
        leader_targets=tuple(
            {"person_id": "p2", "kpi_id": kpi, "target": target, "valid_from": start,
             "valid_to": end}
            for kpi, target, start, end in (
                ("sponsor_visible_weeks", "7", "2025-01-01", "2026-06-01"),
                ("sponsor_visible_weeks", "10", "2026-06-01", ""),
                ("sponsor_visible_weeks", "13", "2026-11-01", ""),
                ("commitments_closed_on_time", "85", "2025-01-01", ""),
            )
        ),
    )  # fmt: skip
    page = case.pages()["p2"]
    assert (page.visible_weeks.text, page.visible_target.text) == ("9 of 13", "10 weeks")
    assert (page.flagship.text, page.commitments.text) == ("completed", "2 of 3")
    assert page.commitments_target.text == "85 %"
    assert (page.decision_wait.text, page.attendance.text) == ("4 days", "5 reviews")
    other = case.pages()["p3"]
    assert {figure.text for figure in (other.flagship, other.commitments, other.attendance)} == {
        "no record"
    }
    assert other.visible_weeks.text == "not asked of this role"  # she heads a unit, no sponsor
    assert (other.decision_wait.text, other.visible_target.text) == ("no record", "no target")
    assert other.commitments_target.text == "no target"
    row = case.models["leader_indices"][1]
    row["numerator"] = 0
    assert case.pages()["p2"].flagship.text == "no record of completion"


def test_actions_in_words_and_where_they_were_seen(case: Case) -> None:
    for number, (kind, visibility, audience, reaches) in enumerate(
        [("town_hall", "in_person", "o1", 1), ("budget_approval", "none", "o", 1),
         ("email", "own_voice", "s", 0), ("email", "own_voice", "whole", 1),
         ("learner_recognised", "own_voice", None, 1)]
    ):  # fmt: skip
        case.row("leader_actions", action_id=f"a{number}", person_id="p2", org_unit_id="o",
                 kind=kind, visibility=visibility, audience_org_unit_id=audience,
                 reaches_unit=reaches, happened_on=date(2026, 10, number + 1))  # fmt: skip
    case.row("leader_actions", action_id="b", person_id="p4", org_unit_id="s",
             happened_on=date(2026, 10, 1))  # fmt: skip
    assert [(a.what, a.audience, a.counts) for a in case.pages()["p2"].actions] == [
        ("Town hall", "Packaging", True),
        ("Budget approval", "Operations", False),
        ("Email", "elsewhere", False),
        ("Email", "the whole organisation", True),
        ("Learner recognised", "no audience recorded", True),
    ]
    assert len(case.pages()["p4"].actions) == 1
    again = {**case.models["leader_actions"][2], "org_unit_id": "whole", "reaches_unit": 1}
    case.models["leader_actions"].insert(0, again)  # the same action in another unit they lead
    assert [a.counts for a in case.pages()["p2"].actions] == [True, False, False, True, True]


def test_the_log_holds_what_waits_for_them_only(case: Case) -> None:
    case.log("1", owner_person_id="p2", asked_on=date(2026, 10, 2), org_unit_id="s")
    case.log("2", owner_person_id="p2", asked_on=date(2026, 10, 1), kind="commitment",
             status="overdue", first_due_on=date(2026, 10, 20))  # fmt: skip
    case.log("3", owner_person_id="p2", status="done", asked_on=date(2026, 10, 1))
    case.log("4", owner_person_id="p4", asked_on=date(2026, 10, 1), org_unit_id="o")
    pages = case.pages()
    assert [entry.entry_id for entry in pages["p2"].log] == ["2", "1"]
    assert [entry.entry_id for entry in pages["p4"].log] == ["4"]


def test_the_unit_s_plan_or_their_own_actions_of_the_plan_above(case: Case) -> None:
    launch = date(2026, 9, 1)
    for day, action, person, status in (
        (14, "Hold the town hall", "p2", "done"),
        (25, "Cascade", "p3", "overdue"),
        (60, "Recognise", "p3", "due"),
    ):
        case.row("leader_plan", org_unit_id="o", launch_on=launch, day_now=60, plan_day=day,
                 action=action, owner_person_id=person, owner_role="unit_head", status=status,
                 due_on=launch + timedelta(days=day))  # fmt: skip
    pages = case.pages()
    whole, own = pages["p2"].plan, pages["p3"].plan
    assert whole is not None and own is not None
    assert [item.action for item in whole.items] == ["Hold the town hall", "Cascade", "Recognise"]
    assert (whole.done, whole.due_by_now, whole.on_track.text) == (1, 3, "33 %")
    assert [(item.action, item.owner) for item in own.items] == [
        ("Cascade", "Lise Meitner"),
        ("Recognise", "Lise Meitner"),
    ]
    assert (own.unit, own.done, own.due_by_now) == ("Operations", 0, 2)
    assert pages["p4"].plan is None
    case.models["leader_plan"][2]["owner_person_id"] = None  # of every unit head
    case.holder("unit_head", "p3", unit="o")
    own = case.pages()["p3"].plan
    assert own is not None and [item.action for item in own.items] == ["Cascade", "Recognise"]


def test_comments_are_asked_of_the_owner_of_a_headline_that_signals(case: Case) -> None:
    """Ada owns performance improvement; Emmy, Lise and Max own none."""
    assert case.pages()["p1"].comments_asked == ()
    quarter = case.values[("performance_improvement", date(2026, 7, 1), "whole", "employee")]
    assert quarter["value"] is not None
    from orchestration.periods import Period

    case.signal("performance_improvement", "improving", period=Period.parse("2026-Q3"),
                charted="3.4", mean=1, lower=0, upper=2)  # fmt: skip
    case.signal("time_to_competency", "concerning", charted=41, mean=35, lower=30, upper=40)
    pages = case.pages()
    assert pages["p1"].comments_asked == (
        "Performance improvement: +3.4 % in Q3 2026, above its usual range 0.0 to +2.0 %, target "
        "+2.0 %",
    )
    assert pages["p2"].comments_asked == ()
    case.row("kpi_comments", kpi_id="performance_improvement", org_unit_id="whole",
             person_id="p1", text="Why.", recorded_on=date(2026, 11, 4))  # fmt: skip
    assert case.pages()["p1"].comments_asked == ()


def test_owners_of_a_signalling_kpi_who_lead_nothing_are_asked_before_a_month(case: Case) -> None:
    """The programme lead owns the voluntary active learners, and is no named leader."""
    case.governance[-1]["person_id"] = "p7"
    case.holder("manager_rep", "Some One")
    case.signal("active_learner_rate", "improving", charted="53.2", mean=45, lower=40, upper=50)
    page = case.pages()["p7"]
    assert (page.name, page.role, page.unit) == ("Not Printed", "programme lead", "Acme")
    assert page.comments_asked == (
        "Voluntary active learners: 53.2 % in October 2026, above its usual range 40.0 to 50.0 %",
    )
    assert [kpi.kpi_id for kpi in page.kpis] == ["active_learner_rate"]  # the one they own
    assert page.visible_weeks.text == page.flagship.text == "not asked of this role"
    assert (page.actions, page.plan, page.log) == ((), None, ())
    assert page.reply_by == date(2026, 11, 5)
    assert "p2" in case.pages()
    case.row("kpi_comments", kpi_id="active_learner_rate", org_unit_id="whole", person_id="p7",
             text="Why.", recorded_on=date(2026, 11, 4))  # fmt: skip
    assert "p7" not in case.pages()


def test_another_s_organisation_on_a_page_is_found(case: Case) -> None:
    """The check is told of pages that were put together wrongly."""
    case.row("leader_actions", action_id="a", person_id="p2", org_unit_id="o",
             audience_org_unit_id="o1", happened_on=date(2026, 10, 1))  # fmt: skip
    case.log("1", owner_person_id="p4", asked_on=date(2026, 10, 2))
    card, pages = case.build(), case.pages()
    sales = pages["p4"]
    wrong = (
        pages["p2"].model_copy(update={"kpis": sales.kpis}),
        pages["p2"].model_copy(update={"org_unit_id": "s", "kpis": sales.kpis}),
        pages["p2"].model_copy(update={"log": sales.log}),
        pages["p2"].model_copy(
            update={
                "actions": tuple(
                    action.model_copy(update={"audience": "Sales"})
                    for action in pages["p2"].actions
                )
            }
        ),
    )
    assert inconsistencies(card, case.marts, wrong) == [
        "leader page 1: shows other figures than its unit's",
        "leader page 2: is of a unit that the leader does not lead",
        "leader page 2: names another organisation",
        "leader page 3: shows an entry of the log that waits for somebody else",
        "leader page 4: names another organisation",
    ]


def test_pages_are_written_apart_from_every_pack(case: Case, tmp_path: Path) -> None:
    settings = case.settings.model_copy(update={"paths": PathSettings(home=tmp_path)})
    pages = tuple(case.pages().values())
    file = write_leaders(settings, case.period, pages)
    assert file == tmp_path / "drafts" / "leaders" / "monthly" / "2026-10.json"
    assert file == leaders_file(settings, case.period)
    assert read_leaders(file) == pages
    before = file.read_bytes()
    write_leaders(settings, case.period, read_leaders(file))
    assert file.read_bytes() == before
    file.write_text("[{}]")
    with pytest.raises(Problem, match="not the leaders' pages of this version"):
        read_leaders(file)
    file.unlink()
    with pytest.raises(Problem, match="do not exist"):
        read_leaders(file)
