"""Who gets mail: roles through people, deputies, allowed domains only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.delivery.recipients import Audience, attending_roles, audience
from orchestration.problems import Problem
from orchestration.settings import Settings
from tests.delivery.conftest import make_settings

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
            row("ld_head", **left, deputy_is_active=False),
        ],
        ROLES,
        settings,
    )
    assert [(r.mailbox.address, r.roles) for r in found.recipients] == [
        ("eve@example.org", ("executive_sponsor (deputy)",))
    ]
    assert [(r.role, r.reason) for r in found.refused] == [
        ("ld_head", "no longer active and no active deputy is named")
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
