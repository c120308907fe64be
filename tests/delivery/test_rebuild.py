"""A sealed edition rendered again: the same bytes, or the files that differ by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestration.command import cli
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver, seal
from orchestration.delivery.mailings import read_letters
from orchestration.delivery.rebuild import rebuild
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.review import email
from orchestration.review.assets import render_letters, render_period
from orchestration.scorecard.draft import draft_folder, write_leaders, write_scorecard
from orchestration.scorecard.model import Scorecard
from orchestration.settings import Settings
from orchestration.state import Edition, State
from tests.delivery.conftest import PROVENANCE, make_audience, make_settings
from tests.review import rituals, scorecards

CARDS = {
    "2026-W44": rituals.week(scorecards.typical()),
    "2026-10": scorecards.typical(sitting=rituals.SITTING),
    "2026-Q3": rituals.quarter(scorecards.typical()),
}


def seal_now(
    state: State, settings: Settings, ritual: str, period: Period, *, restates: bool = False
) -> Edition:
    state.open_intent(ritual, period.id, opened_by="person", restates=restates)
    draft = settings.home / "drafts" / ritual / period.id
    letters = read_letters(draft) if (draft / "letters.json").exists() else None
    audience = make_audience("ada@example.org")
    return seal(state, settings, ritual, period, draft, audience, PROVENANCE, letters)


def seal_card(
    state: State, settings: Settings, card: Scorecard, *, restates: bool = False
) -> Edition:
    period = Period.parse(card.period_id)
    write_scorecard(settings, period, card)
    render_period(settings, period)
    return seal_now(state, settings, period.grain.ritual, period, restates=restates)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "home", sender="Reviews <reviews@example.org>")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    with State.open(settings) as opened:
        yield opened


@pytest.mark.parametrize("period_id", CARDS)
def test_every_file_of_a_pack_is_the_same_to_the_byte(
    state: State, settings: Settings, period_id: str
) -> None:
    edition = seal_card(state, settings, CARDS[period_id])
    # what is drafted since changes nothing
    (draft_folder(settings, Period.parse(period_id)) / "scorecard.json").write_text("{}")
    found = rebuild(state, settings, edition.edition_id)
    assert found.identical
    assert {"scorecard.json", "email.html", "email.json"} <= {*found.same}
    sealed = [file for file in Path(edition.folder).rglob("*") if file.is_file()]
    assert len(found.same) == len(sealed) - 1  # all but edition.json


def test_a_restating_edition_calls_the_sitting_as_it_did(state: State, settings: Settings) -> None:
    first = seal_card(state, settings, CARDS["2026-10"])
    assert deliver(state, settings, first, open_channel(settings), "run").settled
    moved = rituals.SITTING.model_copy(update={"minutes": 90})
    second = seal_card(state, settings, scorecards.typical(sitting=moved), restates=True)
    assert second.number == 2
    assert b"SEQUENCE:1" in (Path(second.folder) / "invitation.ics").read_bytes()
    assert rebuild(state, settings, first.edition_id).identical
    assert rebuild(state, settings, second.edition_id).identical


@pytest.mark.parametrize(
    ("mailing", "period_id"), [("monthly_preview", "2026-10"), ("quarterly_sheets", "2026-Q4")]
)
def test_letters_are_the_same_to_the_byte(
    state: State, settings: Settings, mailing: str, period_id: str
) -> None:
    period = Period.parse(period_id)
    pages = [
        page.model_copy(update={"period_id": period.id, "period_label": period.label})
        for page in (rituals.silent_leader_page(), rituals.leader_page())
    ]
    write_leaders(settings, period, pages)
    render_letters(settings, period, mailing)
    edition = seal_now(state, settings, mailing, period)
    found = rebuild(state, settings, edition.edition_id)
    assert found.identical
    assert "letters.json" in found.same


def test_what_differs_is_named(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition = seal_card(state, settings, CARDS["2026-W44"])
    monkeypatch.setitem(email.KINDS, "weekly", "gathering")
    found = rebuild(state, settings, edition.edition_id)
    assert not found.identical
    assert {*found.different} == {"email.html", "email.json", "email.txt"}
    assert found.missing == found.added == ()
    assert found.sealed_by == "code-1"


def test_a_changed_file_is_no_edition(state: State, settings: Settings) -> None:
    edition = seal_card(state, settings, CARDS["2026-W44"])
    page = Path(edition.folder) / "email.html"
    page.chmod(0o644)
    page.write_text("other")
    with pytest.raises(Problem, match="not as it was sealed"):
        rebuild(state, settings, edition.edition_id)


def test_the_command_says_what_it_proved(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    edition = seal_card(state, settings, CARDS["2026-W44"])
    monkeypatch.setattr("orchestration.delivery.edition_commands.load_settings", lambda: settings)
    done = CliRunner().invoke(cli, ["rebuild", "--edition", edition.edition_id])
    assert done.output == "weekly-2026-W44-edition-1: 5 files, every one the same to the byte.\n"
    missing = CliRunner().invoke(cli, ["rebuild", "--edition", "weekly-2026-W01-edition-1"])
    assert isinstance(missing.exception, Problem)
