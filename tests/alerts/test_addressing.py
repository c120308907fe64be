"""Whose mailbox: by address, by role through the governance, by the lead where neither works."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from orchestration.alerts import commands
from orchestration.alerts.addressing import Directory
from orchestration.incidents import Finding, report
from tests.alerts.conftest import LEAD, NOW, OPERATIONS, OfficeFactory


def holder(role: str, email: str, *, active: bool = True, deputy: str = "") -> dict[str, Any]:
    return {
        "role": role,
        "org_unit_id": "U1",
        "person_id": f"P-{email}",
        "full_name": "A Person",
        "email": email,
        "is_active": active,
        "deputy_person_id": "D1" if deputy else None,
        "deputy_email": deputy or None,
        "deputy_is_active": bool(deputy),
    }


def test_a_role_is_its_holder_or_deputy_else_the_lead(open_office: OfficeFactory) -> None:
    office = open_office(
        owners={
            "people": {"owner_role": "people_head"},
            "courses": {"owner_role": "competency_owner"},
            "activity": {"owner_role": "operator"},
            "enrolments": {"owner_role": "operator", "owner_email": "lms@example.org"},
        },
        alerts={"lead_email": None},
    )
    directory = Directory(office.settings, office.lake)
    directory.__dict__["_governance"] = [
        holder("people_head", "head@example.org"),
        holder("competency_owner", "left@example.org", active=False, deputy="deputy@example.org"),
        holder("operator", "operator@elsewhere.net"),
        holder("program_lead", "leads@example.org"),
    ]

    def told(owner: str) -> list[str]:
        return [box.address for box in directory.owner(owner)]

    assert told("feed people") == ["head@example.org"]
    assert told("feed courses") == ["deputy@example.org"]
    assert told("feed enrolments") == ["lms@example.org"]
    assert told("operations") == [OPERATIONS]
    assert directory.faults == []
    assert told("feed activity") == ["leads@example.org"]
    assert directory.faults == ["operator: the domain is not in allowed_domains"]
    assert told("feed org_units") == told("programme") == ["leads@example.org"]


def test_without_published_governance_the_settings_name_the_lead(
    open_office: OfficeFactory,
) -> None:
    office = open_office(owners={"people": {"owner_role": "people_head"}})
    directory = Directory(office.settings, office.lake)
    assert [box.address for box in directory.owner("feed people")] == [LEAD]
    assert directory.faults == ["people_head: nobody holds this role"]


def test_the_command_lists_what_is_open(
    open_office: OfficeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = open_office()
    monkeypatch.setattr(commands, "load_settings", lambda: office.settings)
    found = Finding("run x", "operations", "the job x failed", "Once.", "None.", "Mend it.", NOW)
    report(office.state, found, office.settings.alerts)
    lines = CliRunner().invoke(commands.incidents).output.splitlines()
    assert lines == [
        "Open incidents: 1.",
        "",
        "1  the job x failed, since 2026-10-06 10:00",
        "   Once.",
        "   None.",
        "   Mend it.",
    ]
