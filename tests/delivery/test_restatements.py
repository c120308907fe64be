"""A restating edition says what reads otherwise and why; the edition before stays as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from dagster import DagsterInstance

from orchestration.archive.pages import build_pages
from orchestration.archive.shelf import DecisionLog, reviews_of
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver, seal, verify
from orchestration.delivery.rebuild import rebuild
from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.operations.retention import due, remove
from orchestration.periods import Period
from orchestration.review.assets import render_period
from orchestration.scorecard.draft import draft_folder, write_scorecard
from orchestration.scorecard.draft import to_json as to_bytes
from orchestration.scorecard.evidence import Evidence, Value
from orchestration.scorecard.model import Figure, Scorecard
from orchestration.scorecard.restated import LATE, TARGET, from_json, to_json
from orchestration.scorecard.since import (
    keep_restatements,
    moved_on,
    restated_since,
    restating,
    since_file,
)
from orchestration.settings import RetentionSettings, Settings
from orchestration.state import Edition, State
from orchestration.warehouse.published import initialise_published
from tests.delivery.conftest import PROVENANCE, make_audience, make_settings
from tests.review import scorecards

OCTOBER = Period.parse("2026-10")
CARD = scorecards.typical()
KPI = CARD.kpis[3]
IN_A_YEAR = datetime.now(UTC) + timedelta(days=500)


def value(text: str) -> Figure:
    return Figure(state="value", value=Decimal(text.split()[0]), text=text)


def with_figure(now: str, target: str) -> Scorecard:
    changed = KPI.model_copy(update={"now": value(now), "target": value(target)})
    return CARD.model_copy(update={"kpis": (*CARD.kpis[:3], changed, *CARD.kpis[4:])})


def evidence(numerator: str, target: str, content: str) -> Evidence:
    amounts = Decimal(numerator), Decimal(100), Decimal(numerator), Decimal(target)
    return Evidence(
        values={(KPI.kpi_id, "all"): Value(*amounts)},
        facts={"fct_enrolments_due": {"p": ("all", content)}, "int_population": {"p": ("all", "")}},
        parents={"all": None},
        definitions={},
        code="",
        settings="",
        history="",
        pages="",
        build="",
        arrivals=None,
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "home", sender="Reviews <reviews@example.org>")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    with State.open(settings) as opened:
        yield opened


def publish(
    state: State,
    settings: Settings,
    card: Scorecard,
    *,
    restates: bool = False,
) -> Edition:
    write_scorecard(settings, OCTOBER, card)
    render_period(settings, OCTOBER)
    state.open_intent("monthly", OCTOBER.id, opened_by="person", restates=restates)
    draft = draft_folder(settings, OCTOBER)
    figures = hashlib.sha256((draft / "scorecard.json").read_bytes()).hexdigest()
    edition = seal(
        state,
        settings,
        "monthly",
        OCTOBER,
        draft,
        make_audience("ada@example.org"),
        replace(PROVENANCE, figures_hash=figures),
        restate=lambda before, folder: to_json(restating(Lake(settings.lake_url), before, folder)),
    )
    if state.intent(edition.intent_id).status == "open":
        assert deliver(state, settings, edition, open_channel(settings), "run").settled
    return edition


def contents(edition: Edition) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in Path(edition.folder).iterdir()}


def test_a_restating_edition_lists_what_it_changed(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(state, settings, with_figure("61.2 %", "95.0 %"))
    kept = contents(first)
    assert "restatements.json" not in kept
    found = {first.figures_hash: evidence("61.2", "95", "before")}
    monkeypatch.setattr(
        "orchestration.scorecard.since.read_evidence",
        lambda lake, period, figures: found.get(figures, evidence("62.4", "90", "after")),
    )
    second = publish(state, settings, with_figure("62.4 %", "90.0 %"), restates=True)
    assert (second.number, second.restates) == (2, first.edition_id)
    listed = from_json((Path(second.folder) / "restatements.json").read_bytes())
    assert [(one.what, one.unit, one.was, one.now, one.causes) for one in listed] == [
        (KPI.name, "", "61.2 %", "62.4 %", (LATE, TARGET)),
        (f"{KPI.name}, target", "", "95.0 %", "90.0 %", (LATE, TARGET)),
    ]
    assert "restatements.json" in json.loads(contents(second)["edition.json"])["files"]
    verify(second)
    assert contents(first) == kept
    assert rebuild(state, settings, second.edition_id).identical
    # the same draft once more restates nothing
    again = publish(state, settings, with_figure("62.4 %", "90.0 %"), restates=True)
    assert again.edition_id == second.edition_id
    assert [each.number for each in state.editions("monthly")] == [1, 2]

    # the next pack says it once
    november = OCTOBER.shift(1)
    assert restated_since(settings, november, [first]) == ()
    late = replace(second, sealed_at=first.sealed_at.replace(year=2027))
    lines = restated_since(settings, november, [first, late])
    assert lines == (
        f"{KPI.name}, October 2026: was 61.2 %, is 62.4 % (late rows, changed target).",
        f"{KPI.name}, target, October 2026: was 95.0 %, is 90.0 % (late rows, changed target).",
    )


def test_a_draft_made_anew_tells_what_it_says_otherwise_and_sends_nothing(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = publish(state, settings, with_figure("61.2 %", "95.0 %"))
    kept = contents(first)
    found = {first.figures_hash: evidence("61.2", "95", "before")}
    monkeypatch.setattr(
        "orchestration.scorecard.since.read_evidence",
        lambda lake, period, figures: found.get(figures, evidence("62.4", "95", "after")),
    )
    lake = Lake(settings.lake_url)
    initialise(lake)
    initialise_published(lake)

    def draft(card: Scorecard) -> int:
        write_scorecard(settings, OCTOBER, card)
        return keep_restatements(settings, lake, OCTOBER, [first])

    assert draft(with_figure("61.2 %", "95.0 %")) == 0 and moved_on(settings, first) == []
    assert draft(with_figure("62.4 %", "95.0 %")) == 1
    line = f"{KPI.name}, October 2026: was 61.2 %, is 62.4 % (late rows)."
    assert [one.sentence("October 2026") for one in moved_on(settings, first)] == [line]
    # an older version kept the list in the draft; there it is found until the draft is made anew
    since = since_file(Path(first.folder))
    since.rename(draft_folder(settings, OCTOBER) / "restatements.json")
    assert [one.sentence("October 2026") for one in moved_on(settings, first)] == [line]
    assert draft(with_figure("62.4 %", "95.0 %")) == 1 and since.is_file()
    assert not (draft_folder(settings, OCTOBER) / "restatements.json").exists()
    # the next review says it, and the one after it, which has it said, does not
    november = OCTOBER.shift(1)
    assert restated_since(settings, november, [first]) == (line,)
    told = CARD.model_copy(update={"restatements": (line,)})
    folder = settings.home / "told"
    folder.mkdir()
    (folder / "scorecard.json").write_bytes(to_bytes(told))
    next_one = replace(first, period_id=november.id, folder=str(folder))
    assert restated_since(settings, november.shift(1), [first, next_one]) == ()
    # the archive tells it always
    (review,) = reviews_of(settings)
    assert [one.now for one in review.since] == ["62.4 %"]
    pages = build_pages([review], DecisionLog(), settings)
    for name in ("monthly/2026-10/edition-1.html", "restatements.html"):
        page = " ".join(bytes(pages[name]).decode().split())  # type: ignore[arg-type]
        assert "61.2 %" in page and "62.4 %" in page and "late rows" in page, name
    assert "figures restated since" in bytes(pages["index.html"]).decode()  # type: ignore[arg-type]
    assert contents(first) == kept and [e.number for e in state.editions("monthly")] == [1]
    # also when its draft has been kept for long enough
    place = draft_folder(settings, OCTOBER)
    no_ticks = {"retention": RetentionSettings(tick_days=None)}  # it has no schedules
    with DagsterInstance.ephemeral() as instance:
        remove(due(settings.model_copy(update=no_ticks), instance, IN_A_YEAR))
    assert not place.exists()
    assert [one.sentence("October 2026") for one in moved_on(settings, first)] == [line]
    assert [[one.now for one in review.since] for review in reviews_of(settings)] == [["62.4 %"]]
    # once it is sealed it is no longer the draft's
    second = publish(state, settings, with_figure("62.4 %", "95.0 %"), restates=True)
    assert second.number == 2 and moved_on(settings, second) == []
    # the same figures as were published: there is nothing to tell
    assert draft(with_figure("61.2 %", "95.0 %")) == 0


def test_nobody_overwrites_an_edition(state: State, settings: Settings) -> None:
    first = publish(state, settings, with_figure("61.2 %", "95.0 %"))
    kept = contents(first)
    # drafted again and materialized again: without an intent that restates nothing is sealed
    write_scorecard(settings, OCTOBER, with_figure("70.0 %", "95.0 %"))
    render_period(settings, OCTOBER)
    again = seal(
        state,
        settings,
        "monthly",
        OCTOBER,
        draft_folder(settings, OCTOBER),
        make_audience("eve@example.org"),
        PROVENANCE,
    )
    assert again == first
    assert contents(first) == kept
    assert [each.edition_id for each in state.editions("monthly")] == [first.edition_id]
    for file in Path(first.folder).iterdir():
        assert file.stat().st_mode & 0o222 == 0, file.name
