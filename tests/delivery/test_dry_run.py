"""The dry run as a command: which mailing of which period, and what a wrong one is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from click import Choice
from click.testing import CliRunner

from orchestration import command
from orchestration.delivery.mailings import MAILINGS, PREVIEW, pack
from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.settings import Settings
from tests.delivery.conftest import make_draft
from tests.delivery.test_letters import make_letters


@pytest.fixture(autouse=True)
def _here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "load_settings", lambda: settings)
    monkeypatch.setattr(command, "_today", lambda _: date(2026, 11, 12))


def dry_run(*arguments: str) -> str:
    done = CliRunner().invoke(command.cli, ["dry-run", *arguments], catch_exceptions=False)
    return done.output


def draft(settings: Settings, period_id: str) -> Path:
    period = Period.parse(period_id)
    return make_draft(pack(period.grain).draft(settings, period), f"of {period_id}")


def test_every_mailing_can_be_named() -> None:
    (ritual,) = [p for p in command.dry_run.params if p.name == "ritual"]
    assert isinstance(ritual.type, Choice)
    assert list(ritual.type.choices) == list(MAILINGS)


@pytest.mark.parametrize(
    ("arguments", "period_id"),
    [
        ((), "2026-10"),
        (("--ritual", "weekly"), "2026-W45"),
        (("--ritual", "quarterly"), "2026-Q3"),
        (("--period", "2026-W40"), "2026-W40"),
        (("--ritual", "monthly", "--period", "2026-07"), "2026-07"),
    ],
)
def test_the_period_and_the_mailing_follow_from_each_other(
    settings: Settings, arguments: tuple[str, ...], period_id: str
) -> None:
    draft(settings, period_id)
    told = dry_run(*arguments)
    assert "Would go to 0:" in told and "nobody holds this role" in told
    ritual = Period.parse(period_id).grain.ritual
    assert ("ld_head" in told) == (ritual != "weekly")
    assert ("program_lead" in told) == (ritual == "weekly")


def test_letters_are_shown_one_by_one(settings: Settings) -> None:
    period = Period.containing(Grain.MONTH, date(2026, 10, 1))
    make_letters(PREVIEW.draft(settings, period), {"of-1": ("P1",)})
    told = dry_run("--ritual", "monthly_preview")
    assert told.startswith("Letter of-1: Letter of-1\n")
    assert "sponsor P1 letter of-1: not among the period's contacts" in told


def test_a_period_of_another_kind_is_refused() -> None:
    with pytest.raises(Problem, match="2026-10 is not a week, and --ritual weekly is of weeks"):
        dry_run("--ritual", "weekly", "--period", "2026-10")
    with pytest.raises(
        Problem, match="not a quarter, and --ritual quarterly_sheets is of quarters"
    ):
        dry_run("--ritual", "quarterly_sheets", "--period", "2026-10")


def test_a_period_that_was_not_drafted_is_said_to_be(settings: Settings) -> None:
    with pytest.raises(Problem, match="no rendered email"):
        dry_run("--ritual", "monthly")
    with pytest.raises(Problem, match="have not been drafted"):
        dry_run("--ritual", "monthly_kit")
