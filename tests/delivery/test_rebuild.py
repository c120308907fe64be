"""A sealed edition rendered again: the same bytes, or the files that differ by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestration.command import cli
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import Provenance, deliver, seal, settings_hash
from orchestration.delivery.mailings import read_letters
from orchestration.delivery.rebuild import rebuild
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.quality.close import code_version
from orchestration.review import email
from orchestration.review.assets import render_letters, render_period
from orchestration.review.kit import KitPage, render_kits
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
    state: State,
    settings: Settings,
    ritual: str,
    period: Period,
    *,
    restates: bool = False,
    provenance: Provenance = PROVENANCE,
) -> Edition:
    state.open_intent(ritual, period.id, opened_by="person", restates=restates)
    draft = settings.home / "drafts" / ritual / period.id
    letters = read_letters(draft) if (draft / "letters.json").exists() else None
    audience = make_audience("ada@example.org")
    return seal(state, settings, ritual, period, draft, audience, provenance, letters)


def seal_card(state: State, settings: Settings, card: Scorecard, **more: Any) -> Edition:
    period = Period.parse(card.period_id)
    write_scorecard(settings, period, card)
    render_period(settings, period)
    return seal_now(state, settings, period.grain.ritual, period, **more)


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


def kit_pages() -> list[KitPage]:
    """A kit with everything in it, one whose cascade is through, and one of hostile words."""
    fields = {
        "message_id": "M-2",
        "core_sentence": "Every week, two hours for the skills our customers notice.",
        "ask": "Choose one course and finish it",
        "ask_by": "19 November 2026",
        "link": "https://learn.example.org/programme",
        "minutes": "60",
        "unit": "Operations",
        "name": "Marcus Lindqvist",
        "role": "sponsor",
        "report_on": "7 December 2026",
        "confirm_to": "reviews@example.org",
        "measure": "Certified in role",
        "now": "83.0 %",
        "target": "90.0 %",
        "period": "October 2026",
    }
    page = KitPage(
        person_id="P-0007",
        role="sponsor",
        org_unit_id="U1",
        organisation="Meridian Foods",
        unit="Operations",
        period_id="2026-10",
        period_label="October 2026",
        data_as_of=date(2026, 10, 31),
        stale_note="activity as of 12 October",
        message_id="M-2",
        expires_on=date(2026, 11, 19),
        why="for the refresh",
        occasions=("U1: M-2, issued",),
        confirmed=None,
        asked_by=date(2026, 11, 19),
        confirm_to="reviews@example.org",
        fields=fields,
    )
    through = {"person_id": "P-0001", "org_unit_id": None, "confirmed": "38 of 39 managers"}
    hostile = {**fields, "ask": scorecards.HOSTILE, "name": scorecards.HOSTILE}
    return [
        page,
        page.model_copy(update=through),
        page.model_copy(update={"person_id": "P-0009", "stale_note": "", "fields": hostile}),
    ]


def test_kits_are_the_same_to_the_byte(state: State, settings: Settings) -> None:
    october = Period.parse("2026-10")
    draft = settings.home / "drafts" / "monthly_kit" / october.id
    render_kits(kit_pages(), draft)
    edition = seal_now(state, settings, "monthly_kit", october)
    found = rebuild(state, settings, edition.edition_id)
    assert found.identical
    texts = {name.rpartition("/")[2] for name in found.same}
    assert {"page.json", "email.json", "town-hall.txt", "cascade.html"} <= texts


def test_a_kit_of_an_older_version_is_told_apart(state: State, settings: Settings) -> None:
    draft = settings.home / "drafts" / "monthly_kit" / "2026-10"
    render_kits(kit_pages(), draft)
    for page in draft.rglob("page.json"):
        page.unlink()
    edition = seal_now(state, settings, "monthly_kit", Period.parse("2026-10"))
    with pytest.raises(Problem, match="kept the texts as they were sent"):
        rebuild(state, settings, edition.edition_id)


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
    assert found.under.startswith("by another version than sealed it (sealed by code-1,")


def test_the_version_and_the_settings_that_sealed_it_are_known_again(
    state: State, settings: Settings
) -> None:
    stood_on = replace(
        PROVENANCE, code_version=code_version(), settings_hash=settings_hash(settings)
    )
    edition = seal_card(state, settings, CARDS["2026-W44"], provenance=stood_on)
    found = rebuild(state, settings, edition.edition_id)
    assert found.identical
    assert found.under == (
        f"by the version that sealed it ({code_version()}), under the same settings"
    )


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
    assert done.output == (
        "Rendered again by another version than sealed it (sealed by code-1, rendered by "
        f"{code_version()}), under other settings.\n"
        "weekly-2026-W44-edition-1: 5 files, every one the same to the byte.\n"
    )
    missing = CliRunner().invoke(cli, ["rebuild", "--edition", "weekly-2026-W01-edition-1"])
    assert isinstance(missing.exception, Problem)
