"""Whom pages name: nobody, sponsors and the ELT, or every leader, and their role instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestration.periods import Grain, Period
from orchestration.review.assets import page_renderer
from orchestration.review.letters import render_previews, render_sheets
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.model import LeaderPage
from orchestration.settings import Naming, OrganisationSettings, Settings
from tests.review.reading import pdf_text, squeezed
from tests.scorecard.conftest import Case, fill

ROLES = {
    "executive_sponsor": "Ada Byron-King",
    "sponsor": "Blaise Pascal",
    "elt_member": "Carl Friedrich Gauss",
    "unit_head": "Dorothy Vaughan",
    "ld_head": "Grace Hopper",
    "finance": "Luca Pacioli",
    "program_lead": "Peter Ramus",
}
DEPUTY = "Zu Chongzhi"
SPONSORS_AND_ELT = {"Ada Byron-King", "Blaise Pascal", "Carl Friedrich Gauss"}
LEADERS = SPONSORS_AND_ELT | {"Dorothy Vaughan", "Grace Hopper", "Luca Pacioli"}
EVERYBODY = {*ROLES.values(), DEPUTY}
IDS = {name: f"E{number:06}" for number, name in enumerate(sorted(EVERYBODY))}
LEVELS: dict[Naming, set[str]] = {
    "none": set(),
    "sponsors_and_elt": SPONSORS_AND_ELT,
    "leaders": LEADERS,
}


def named_case(period_id: str, names: Naming) -> Case:
    """Every leader in their role, and in the words of log, comments and initiatives."""
    case = Case(period=Period.parse(period_id), names=names)
    case.unit("whole", name="Acme", headcount=500)
    fill(case, "Ask ADA  BYRON-KING and Dorothy Vaughan")
    for role, name in ROLES.items():
        unit = "o" if role in ("sponsor", "unit_head") else "whole"
        case.holder(role, name, unit=unit)
        if role in ("executive_sponsor", "sponsor", "elt_member", "unit_head"):
            case.row("named_leaders", person_id=name, full_name=name, role=role,
                     org_unit_id=unit)  # fmt: skip
        words = f"Settle it with {name} soon"
        case.log(f"log/{role}", title=words, outcome=words, owner_person_id=name, owner_role=role,
                 asked_on=case.period.start, first_due_on=case.period.start, status="overdue",
                 waiting_days=20, right_id="remove_blocker")  # fmt: skip
        case.row("kpi_comments", kpi_id="active_learner_rate", org_unit_id="whole",
                 person_id=name, text=words, recorded_on=case.period.end)  # fmt: skip
    case.holder("operations_head", "Gone Away", active=False, deputy=DEPUTY, deputy_active=True)
    case.log("log/deputy", title="Late", asked_on=case.period.start, first_due_on=case.period.start,
             status="overdue", waiting_days=20, right_id="launch_slot", owner_person_id=DEPUTY,
             owner_role="operations_head")  # fmt: skip
    for row in [*case.governance, *(row for rows in case.models.values() for row in rows)]:
        for column in row:
            if column.endswith("person_id"):  # an id is no name
                row[column] = IDS.get(row[column], row[column])
    return case


def said(text: str) -> set[str]:
    """Whose name stands in a text, however its words are spaced."""
    plain = squeezed(text).casefold()
    return {name for name in EVERYBODY if re.search(rf"{squeezed(name).casefold()}(?!\w)", plain)}


@pytest.mark.parametrize("period_id", ["2026-10", "2026-W45", "2026-Q3"])
@pytest.mark.parametrize("names", LEVELS)
def test_a_scorecard_names_whom_the_setting_allows(period_id: str, names: Naming) -> None:
    assert said(named_case(period_id, names).build().model_dump_json()) == LEVELS[names]


def test_the_setting_s_default_is_sponsors_and_elt() -> None:
    assert Settings(organisation=OrganisationSettings(name="A")).privacy.names == "sponsors_and_elt"


def texts(folder: Path) -> dict[str, str]:
    """Every file of a folder as text."""
    return {
        file.name: pdf_text(file) if file.suffix == ".pdf" else file.read_bytes().decode("latin-1")
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".png"
    }


@pytest.mark.parametrize("period_id", ["2026-10", "2026-W45", "2026-Q3"])
def test_with_naming_off_no_file_of_an_edition_names_anybody(
    period_id: str, tmp_path: Path
) -> None:
    case = named_case(period_id, "none")
    grain = case.period.grain
    page_renderer(grain)(case.build(), tmp_path / "pack", None)
    if grain is Grain.QUARTER:
        render_sheets(list(case.pages().values()), tmp_path / "sheets")
    read = texts(tmp_path)
    assert len(read) >= 4
    assert {name: said(text) for name, text in read.items() if said(text)} == {}
    assert "Settle it with unit head soon" in read["scorecard.json"]


def test_a_leader_s_own_preview_greets_them_and_names_nobody_else(tmp_path: Path) -> None:
    pages = named_case("2026-10", "none").pages()
    for person in ("Ada Byron-King", "Dorothy Vaughan"):
        render_previews([pages[IDS[person]]], tmp_path / person)
        read = texts(tmp_path / person)
        assert said(read["email.txt"]) == said(read["email.html"]) == {person}


@pytest.mark.parametrize(
    ("names", "title"),
    [
        ("none", "Leader review sheet, Q3 2026: Unit head of Operations"),
        ("sponsors_and_elt", "Leader review sheet, Q3 2026: Unit head of Operations"),
        ("leaders", "Leader review sheet, Q3 2026: Dorothy Vaughan"),
    ],
)
def test_a_sheet_that_the_manager_reads_too_goes_by_the_setting(names: Naming, title: str) -> None:
    from orchestration.review.letters import page_view

    case = Case(period=Period.parse("2026-Q3"), names=names)
    case.unit("whole", name="Acme", headcount=500)
    case.unit("o", "whole", name="Operations")
    case.holder("unit_head", "Dorothy Vaughan", unit="o")
    case.row("named_leaders", person_id="Dorothy Vaughan", full_name="Dorothy Vaughan",
             role="unit_head", org_unit_id="o", manager_id="boss")  # fmt: skip
    page: LeaderPage = case.pages()["Dorothy Vaughan"]
    view = page_view(page)
    assert view["title"] == title
    assert view["who"] == (
        "Dorothy Vaughan. Unit head, Operations."
        if names == "leaders"
        else "Unit head of Operations."
    )


def governance(names: Naming, *rows: dict[str, object]) -> Governance:
    case = Case()
    for row in rows:
        case.holder(**row)  # type: ignore[arg-type]
    tree = {"whole": None, "o": "whole"}
    return Governance(case.governance, tree, names=names, units={"whole": "Acme", "o": "Ops"})


def test_the_role_and_its_unit_stand_where_nobody_is_named() -> None:
    held = (
        {"role": "unit_head", "full_name": "Dorothy Vaughan", "unit": "o"},
        {"role": "finance", "full_name": "Luca Pacioli"},
        {"role": "operations_head", "full_name": "Left", "active": False,
         "deputy": DEPUTY, "deputy_active": True},
    )  # fmt: skip
    default, all_leaders = governance("sponsors_and_elt", *held), governance("leaders", *held)
    assert default.owner("unit_head", "o") == "unit head of Ops"
    assert default.owner("finance|unit_head", "o") == "finance and unit head of Ops"
    assert default.owner("operations_head", "o") == "deputy operations head"
    assert default.owner("sponsor", "o") == "vacant: sponsor"
    assert default.person("Dorothy Vaughan", None) == "unit head of Ops"
    assert default.named("Dorothy Vaughan") is None
    assert all_leaders.owner("unit_head", "o") == "Dorothy Vaughan"
    assert all_leaders.owner("operations_head", "o") == f"{DEPUTY} (deputy)"
    words = "Dorothy  Vaughan asked LUCA PACIOLI; Dorothy Vaughans did not"
    assert default.recorded(words) == ("unit head asked finance; Dorothy Vaughans did not")
    assert all_leaders.recorded(words) == words
    assert governance("none").recorded(words) == words  # nobody is known, so nobody is meant
