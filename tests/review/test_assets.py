"""The asset: it obeys the period's close, renders each month of its run, and tells no person."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.review.assets import build_assets, render_period
from orchestration.scorecard.draft import write_scorecard
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from tests.review import rituals, scorecards

OCTOBER = Period.parse("2026-10")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="Meridian Foods"), paths=PathSettings(home=tmp_path)
    )


@pytest.mark.parametrize("grain", Grain)
def test_each_ritual_has_its_pages(settings: Settings, grain: Grain) -> None:
    key = dg.AssetKey(["review", f"{grain}_pages"])
    asset = pages_of(settings, grain)
    assert asset.asset_deps[key] == {dg.AssetKey(["scorecard", f"{grain}_scorecard"])}
    spec = asset.get_asset_spec()
    assert spec.group_name == "review" and spec.owners and spec.kinds and spec.description
    assert isinstance(asset.partitions_def, dg.TimeWindowPartitionsDefinition)


def pages_of(settings: Settings, grain: Grain) -> dg.AssetsDefinition:
    """The asset of one ritual's pages."""
    key = dg.AssetKey(["review", f"{grain}_pages"])
    return next(asset for asset in build_assets(settings) if asset.key == key)


def test_a_run_renders_the_week_with_its_invitation(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.quality.close.require_allowed", lambda *_: None)
    week = Period.parse("2026-W44")
    write_scorecard(settings, week, rituals.week(scorecards.typical()))
    result = dg.materialize(
        [pages_of(settings, Grain.WEEK)],
        partition_key="2026-10-26",
        instance=dg.DagsterInstance.ephemeral(),
    )
    folder = settings.home / "drafts" / "weekly" / "2026-W44"
    assert result.success and b"METHOD:REQUEST" in (folder / "invitation.ics").read_bytes()
    (event,) = result.asset_materializations_for_node("review__week_pages")
    told = {name: each.value for name, each in event.metadata.items()}
    assert told["files"] == 5 and "pack_pages" not in told
    assert "Lindqvist" not in str(told)


def test_a_run_renders_the_month(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "orchestration.quality.close.require_allowed", lambda _, period: asked.append(period.id)
    )
    write_scorecard(settings, OCTOBER, scorecards.typical())
    result = dg.materialize(
        [pages_of(settings, Grain.MONTH)],
        partition_key="2026-10-01",
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success and asked == ["2026-10"]
    folder = settings.home / "drafts" / "monthly" / "2026-10"
    assert (folder / "email.json").exists()
    (event,) = result.asset_materializations_for_node("review__month_pages")
    told = {name: each.value for name, each in event.metadata.items()}
    assert told["files"] == 13 and told["pack_pages"] == 6
    preview = str(told["preview"])
    assert "| Certified in role | 86.2 % | 90.0 % |" in preview.replace("\u00a0", " ")
    for person in ("Hannah", "Priya", "Marcus", "Tomasz"):
        assert person not in preview


def test_a_month_that_is_not_allowed_is_not_rendered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, period: Period) -> None:
        raise Problem(f"{period.id} is held.")

    monkeypatch.setattr("orchestration.quality.close.require_allowed", refuse)
    write_scorecard(settings, OCTOBER, scorecards.typical())
    result = dg.materialize(
        [pages_of(settings, Grain.MONTH)],
        partition_key="2026-10-01",
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )
    assert not result.success
    folder = settings.home / "drafts" / "monthly" / "2026-10"
    assert [f.name for f in folder.iterdir()] == ["scorecard.json"]


def test_a_missing_or_foreign_scorecard_is_a_clear_problem(settings: Settings) -> None:
    with pytest.raises(Problem, match="does not exist"):
        render_period(settings, OCTOBER)
    write_scorecard(settings, Period.parse("2026-09"), scorecards.typical())
    with pytest.raises(Problem, match="scorecard of 2026-10, not of 2026-09"):
        render_period(settings, Period.parse("2026-09"))
