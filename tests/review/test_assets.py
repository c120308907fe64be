"""The asset: it obeys the period's close, renders each month of its run, and tells no person."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.review.assets import build_assets, render_period
from orchestration.scorecard.draft import write_scorecard
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from tests.review import scorecards

OCTOBER = Period.parse("2026-10")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="Meridian Foods"), paths=PathSettings(home=tmp_path)
    )


def test_the_asset_says_what_it_is(settings: Settings) -> None:
    (asset,) = build_assets(settings)
    key = dg.AssetKey(["review", "month_pages"])
    assert asset.key == key
    assert asset.asset_deps[key] == {dg.AssetKey(["scorecard", "month_scorecard"])}
    spec = asset.get_asset_spec()
    assert spec.group_name == "review" and spec.owners and spec.kinds and spec.description
    assert isinstance(asset.partitions_def, dg.TimeWindowPartitionsDefinition)


def test_a_run_renders_the_month(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "orchestration.quality.close.require_allowed", lambda _, period: asked.append(period.id)
    )
    write_scorecard(settings, OCTOBER, scorecards.typical())
    result = dg.materialize(
        build_assets(settings),
        partition_key="2026-10-01",
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success and asked == ["2026-10"]
    folder = settings.home / "drafts" / "monthly" / "2026-10"
    assert (folder / "email.json").exists()
    (event,) = result.asset_materializations_for_node("review__month_pages")
    told = {name: each.value for name, each in event.metadata.items()}
    assert told["files"] == 12 and told["pack_pages"] == 6
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
        build_assets(settings),
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
