"""Who gets mail: roles through people, deputies, allowed domains only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.mailings import KITS, PREVIEW, SHEETS, Letter, Mailing
from orchestration.delivery.recipients import (
    Audience,
    attending_roles,
    audience,
    letter_recipients,
)
from orchestration.periods import Grain
from orchestration.problems import Problem
from orchestration.settings import Settings
from tests.delivery.conftest import make_settings

KIT = KITS[Grain.MONTH]

ROLES = ("executive_sponsor", "ld_head")


def row(role: str = "executive_sponsor", email: str | None = "ada@example.org", **more: Any) -> Any:
    return {
        "role": role,
        "org_unit_id": "U1",
        "person_id": "P1",
        "full_name": "Ada\r\nBcc: x@evil.com",
        "email": email,
        "is_active": True,
        "deputy_person_id": None,
        "deputy_name": None,
        "deputy_email": None,
        "deputy_is_active": None,
        **more,
    }


def addresses(found: Audience) -> list[str]:
    return [each.mailbox.address for each in found.recipients]


@pytest.mark.parametrize(
    "address",
    ["ada@example.org.evil.com", "ada@sub.example.org", "ada@evilexample.org", "ada@example.com",
     "ada@example.org.", "ada@example.orgg", "ada@xample.org", "ada@\u0435xample.org",
     "ada@example.org@evil.com", "ada@evil.com\r\nada@example.org", "ada@evil.com,ada@example.org"],
)  # fmt: skip
def test_lookalike_domains_are_refused_and_reported(settings: Settings, address: str) -> None:
    found = audience([row(email=address)], ROLES, settings)
    assert addresses(found) == []
    assert [each.role for each in found.refused] == ["executive_sponsor", "ld_head"]
    assert address not in repr(found)
    assert address not in found.summary()


@pytest.mark.parametrize("address", ["ada@EXAMPLE.ORG", "ada@Example.org", "ada@\uff45xample.org"])
def test_spellings_of_the_domain_are_the_domain(settings: Settings, address: str) -> None:
    assert addresses(audience([row(email=address)], ROLES, settings)) == ["ada@example.org"]


def test_international_allowed_domain(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, allowed_domains=["Bücher.example"])
    found = audience([row(email="ada@xn--bcher-kva.example")], ROLES, settings)
    assert addresses(found) == ["ada@xn--bcher-kva.example"]
    with pytest.raises(Problem):
        audience([], ROLES, make_settings(tmp_path, allowed_domains=["*.example.org"]))


def test_no_allowed_domain_allows_nobody(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, allowed_domains=[])
    assert addresses(audience([row()], ROLES, settings)) == []


def test_deputies_step_in_for_the_inactive(settings: Settings) -> None:
    left: dict[str, Any] = {"is_active": False, "deputy_email": "eve@example.org"}
    found = audience(
        [
            row(**left, deputy_is_active=True),
            row("ld_head", **left, deputy_person_id="P9", deputy_is_active=False),
        ],
        ROLES,
        settings,
    )
    assert [(r.mailbox.address, r.roles) for r in found.recipients] == [
        ("eve@example.org", ("executive_sponsor (deputy)",))
    ]
    assert [(r.role, r.reason) for r in found.refused] == [
        ("ld_head", "no longer active, and neither is the deputy")
    ]


def test_duplicates_are_merged_and_others_left_out(settings: Settings) -> None:
    found = audience(
        [
            row(email="Ada@example.org"),
            row("ld_head", email="ada@EXAMPLE.org"),
            row("finance", email="fin@example.org"),
            row(email=None),
            row("ld_head", email="  "),
        ],
        ROLES,
        settings,
    )
    assert [(r.mailbox.address, r.roles) for r in found.recipients] == [
        ("Ada@example.org", ("executive_sponsor", "ld_head"))
    ]
    assert len(found.refused) == 2


def test_an_unfilled_role_is_reported(settings: Settings) -> None:
    found = audience([row()], ROLES, settings)
    assert [(r.role, r.reason) for r in found.refused] == [("ld_head", "nobody holds this role")]


def test_roles_come_from_the_review_calendar(settings: Settings) -> None:
    folder = settings.home / "charter"
    folder.mkdir(parents=True)
    (folder / "review_calendar.csv").write_text(
        "ritual,name,minutes,attendee_roles,agenda\n"
        "weekly,W,15,program_lead|manager_rep,x\nmonthly,M,30,executive_sponsor|ld_head,y\n"
    )
    assert attending_roles("monthly", settings) == ROLES
    with pytest.raises(Problem, match="nobody who attends the quarterly"):
        attending_roles("quarterly", settings)


def test_the_shipped_calendar_names_every_ritual(settings: Settings) -> None:
    for ritual in ("weekly", "monthly", "quarterly"):
        assert attending_roles(ritual, settings)


def test_a_role_held_in_a_unit_attends_for_its_unit(settings: Settings) -> None:
    """The calendar names roles; whoever holds one anywhere in the tree gets the review."""
    found = audience(
        [
            row("manager_rep", "whole@example.org", org_unit_id="ROOT"),
            row("manager_rep", "north@example.org", org_unit_id="NORTH"),
            row("program_lead", "lead@example.org", org_unit_id="ROOT"),
        ],
        ("program_lead", "manager_rep"),
        settings,
    )
    assert addresses(found) == ["lead@example.org", "north@example.org", "whole@example.org"]
    assert found.refused == ()


def test_two_holders_of_one_role_both_get_it(settings: Settings) -> None:
    found = audience(
        [row(person_id="P1"), row(person_id="P2", email="bob@example.org"), row("ld_head")],
        ROLES,
        settings,
    )
    assert addresses(found) == ["ada@example.org", "bob@example.org"]


def test_circular_deputies_are_told_and_end_nowhere(settings: Settings) -> None:
    gone: dict[str, Any] = {"is_active": False, "deputy_is_active": False}
    found = audience(
        [
            row(**gone, person_id="P1", deputy_person_id="P2"),
            row("finance", **gone, person_id="P2", deputy_person_id="P1"),
            row("ld_head", "bob@example.org"),
        ],
        ("executive_sponsor", "finance", "ld_head"),
        settings,
    )
    assert addresses(found) == ["bob@example.org"]
    reason = "holder and deputy stand in for each other, and neither is active"
    assert [(r.role, r.reason) for r in found.refused] == [
        ("executive_sponsor", reason),
        ("finance", reason),
    ]


def test_a_circle_with_an_active_deputy_is_no_matter(settings: Settings) -> None:
    found = audience(
        [
            row(is_active=False, person_id="P1", deputy_person_id="P2", deputy_is_active=True,
                deputy_email="bob@example.org"),
            row("ld_head", "bob@example.org", person_id="P2", deputy_person_id="P1",
                deputy_is_active=False),
        ],
        ROLES,
        settings,
    )  # fmt: skip
    assert [(r.mailbox.address, r.roles) for r in found.recipients] == [
        ("bob@example.org", ("executive_sponsor (deputy)", "ld_head"))
    ]


def test_a_leader_who_left_without_deputy_is_reported_by_reason(settings: Settings) -> None:
    found = audience([row(is_active=False), row("ld_head", "bob@example.org")], ROLES, settings)
    assert addresses(found) == ["bob@example.org"]
    assert [(r.role, r.reason) for r in found.refused] == [
        ("executive_sponsor", "no longer active and no deputy is named")
    ]
    assert found.refused[0].person == "Ada Bcc: x@evil.com (P1)"  # one line, for a dry run only
    assert "Ada" not in found.summary() and "Ada" not in repr(found)


def test_an_unknown_role_in_the_calendar_stops_its_ritual_only(settings: Settings) -> None:
    folder = settings.home / "charter"
    folder.mkdir(parents=True)
    (folder / "review_calendar.csv").write_text(
        "ritual,name,minutes,attendee_roles,agenda\n"
        "weekly,W,15,program_lead|manger_rep,x\nmonthly,M,30,executive_sponsor|ld_head,y\n"
        "quarterly,Q,60,course_owner,z\n"
    )
    with pytest.raises(Problem, match="unknown roles to the weekly review: manger_rep") as caught:
        attending_roles("weekly", settings)
    assert caught.value.column == "attendee_roles"
    with pytest.raises(Problem, match="course_owner"):  # nobody is appointed course owner
        attending_roles("quarterly", settings)
    assert attending_roles("monthly", settings) == ROLES


# ---- personal letters ----------------------------------------------------------------------


def contact(person: str, **more: Any) -> dict[str, Any]:
    return {
        "person_id": person,
        "full_name": f"Name {person}",
        "email": f"{person.lower()}@example.org",
        "manager_id": None,
        "is_active": True,
        "deputy_person_id": None,
        **more,
    }


def reasons(found: Audience) -> list[tuple[str, str, str]]:
    return [(each.letter, each.person, each.reason) for each in found.refused]


def sent_to(found: Audience) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.letter, each.mailbox.address, each.roles) for each in found.recipients]


def test_everybody_gets_their_own_letter(settings: Settings) -> None:
    found = letter_recipients(
        PREVIEW,
        [Letter("of-p1", ("P1",), "sponsor"), Letter("of-p2", ("P2", "P1"), "unit_head")],
        [contact("P1"), contact("P2")],
        settings,
    )
    assert sent_to(found) == [
        ("of-p1", "p1@example.org", ("sponsor",)),
        ("of-p2", "p1@example.org", ("unit_head",)),  # two letters, two mails
        ("of-p2", "p2@example.org", ("unit_head",)),
    ]
    assert found.refused == ()


def test_who_cannot_be_reached_is_reported(tmp_path: Path, settings: Settings) -> None:
    people = [
        contact("P1", email=None),
        contact("P2", email="p2@evil.com"),
        contact("P3", email="p 3@example.org"),
        contact("P4"),
    ]
    letters = [Letter(f"of-{n}", (f"P{n}",), "sponsor") for n in range(1, 6)]
    found = letter_recipients(KIT, letters, people, settings)
    assert [letter for letter, _, _ in sent_to(found)] == ["of-4"]
    assert reasons(found) == [
        ("of-1", "Name P1 (P1)", "no email address is known"),
        ("of-2", "Name P2 (P2)", "the domain is not in allowed_domains"),
        ("of-3", "Name P3 (P3)", "the address cannot be sent to"),
        ("of-5", "P5", "not among the period's contacts, so no address is known"),
    ]
    for words in ("P1", "p2@evil.com", "Name", "of-1"):
        assert words not in found.summary()
    assert addresses(letter_recipients(KIT, letters, people, make_settings(tmp_path))) != []
    nobody = make_settings(tmp_path, allowed_domains=[])
    assert addresses(letter_recipients(KIT, letters, people, nobody)) == []


@pytest.mark.parametrize("mailing", [PREVIEW, KIT])
def test_an_inactive_leaders_letter_goes_to_the_deputy(
    settings: Settings, mailing: Mailing
) -> None:
    people = [
        contact("P1", is_active=False, deputy_person_id="P2"),
        contact("P2"),
        contact("P3", is_active=False),
        contact("P4", is_active=False, deputy_person_id="P5"),
        contact("P5", is_active=False, deputy_person_id="P4"),
        contact("P6", is_active=False, deputy_person_id="P3"),
        contact("P7", is_active=False, deputy_person_id="P99"),
    ]
    letters = [Letter(f"of-{n}", (f"P{n}",), "sponsor") for n in (1, 3, 4, 6, 7)]
    found = letter_recipients(mailing, letters, people, settings)
    assert sent_to(found) == [("of-1", "p2@example.org", ("sponsor (deputy)",))]
    assert [(letter, reason) for letter, _, reason in reasons(found)] == [
        ("of-3", "no longer active and no deputy is named"),
        ("of-4", "holder and deputy stand in for each other, and neither is active"),
        ("of-6", "no longer active, and neither is the deputy"),
        ("of-7", "no longer active, and neither is the deputy"),
    ]


def test_a_review_sheet_goes_to_leader_and_own_manager_only(settings: Settings) -> None:
    people = [
        contact("P1", manager_id="M1", deputy_person_id="P9"),
        contact("P2", manager_id="M1", is_active=False, deputy_person_id="P9"),
        contact("P3", manager_id="M2"),
        contact("M1"),
        contact("M2", is_active=False, deputy_person_id="P9"),
        contact("P9"),
    ]
    letters = [
        Letter("of-1", ("P1", "M1", "P9"), "sponsor"),  # a third would read it
        Letter("of-2", ("P2", "M1"), "sponsor"),
        Letter("of-3", ("P3", "M2"), "sponsor"),
        Letter("of-4", ("P1", "M2"), "sponsor"),  # another's manager
    ]
    found = letter_recipients(SHEETS, letters, people, settings)
    assert sent_to(found) == [
        ("of-1", "m1@example.org", ("sponsor",)),
        ("of-1", "p1@example.org", ("sponsor",)),
        ("of-2", "m1@example.org", ("sponsor",)),
        ("of-3", "p3@example.org", ("sponsor",)),
        ("of-4", "p1@example.org", ("sponsor",)),
    ]
    assert reasons(found) == [
        ("of-1", "Name P9 (P9)", "neither the leader it is about nor their own manager"),
        ("of-2", "Name P2 (P2)", "no longer active; it goes to no deputy"),
        ("of-3", "Name M2 (M2)", "no longer active; it goes to no deputy"),
        ("of-4", "Name M2 (M2)", "neither the leader it is about nor their own manager"),
    ]
