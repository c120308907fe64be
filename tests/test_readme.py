"""What the README says exists: targets, commands, links, and settings that load."""

from __future__ import annotations

import re
import tomllib

from orchestration.command import cli
from orchestration.settings import PROJECT_ROOT, Settings

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT_ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.M))
    assert {"run", "ui", "test", "dry-run"} <= named
    assert named - targets == set()


def test_every_command_exists() -> None:
    named = set(re.findall(r"python -m orchestration ([a-z-]+)", README))
    assert {"run", "ui"} <= named
    assert named - set(cli.commands) == set()


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (PROJECT_ROOT / link).exists()] == []


def test_the_settings_shown_are_valid() -> None:
    shown, several_machines = re.findall(r"```toml\n(.*?)```", README, re.S)
    settings = Settings.model_validate(tomllib.loads(shown))
    Settings.model_validate(
        {"organisation": settings.organisation, **tomllib.loads(several_machines)}
    )
    assert set(settings.feeds) == {"courses", "activity", "org_units", "records"}
