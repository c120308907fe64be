"""The scorecard asset as Dagster runs it: gate, file, metadata, check."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest

from orchestration.delivery.mailings import pack
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, period_partitions
from orchestration.quality.close import PeriodClose, manifest_hash, read_close
from orchestration.scorecard import assets
from orchestration.scorecard.draft import read_leaders, read_scorecard, read_stands_on
from orchestration.scorecard.marts import Marts
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from orchestration.warehouse.published import BUILD, _write_index
from tests.scorecard.conftest import fill

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any

KEY = dg.AssetKey(["scorecard", "month_scorecard"])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="Acme"), paths=PathSettings(home=tmp_path)
    )


def close(settings: Settings, period: Period, *, allowed: bool = True) -> None:
    made = PeriodClose(
        period_id=period.id, grain=period.grain, period_start=period.start, period_end=period.end,
        closed_at=datetime(2026, 11, 2, tzinfo=UTC), feeds={}, charter_hash="abc",
        code_version="def", verdict="complete" if allowed else "held", reason="waiting.",
        allowed=allowed, data_as_of=period.end,
    )  # fmt: skip
    place = ("closes", period.grain.value, f"{period.id}.json")
    Lake(settings.lake_url).write_json(made.model_dump(mode="json"), *place)


def run(
    settings: Settings, start: str, end: str | None = None, *, grain: Grain = Grain.MONTH
) -> dg.ExecuteInProcessResult:
    found = assets.build_assets(settings)
    key = dg.AssetKey(["scorecard", f"{grain}_scorecard"])
    job = dg.define_asset_job("scorecards", selection=dg.AssetSelection.assets(key))
    defs = dg.Definitions(assets=found, jobs=[job], executor=dg.in_process_executor)
    tags = (
        {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}
        if end
        else None
    )
    return defs.resolve_job_def("scorecards").execute_in_process(
        partition_key=None if end else start, tags=tags, raise_on_error=False
    )


def give(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand the case's rows to the asset instead of the lake's; each month gets its own units."""

    def rows_of(lake: Lake, period: Period) -> Marts:
        case.period, case.units = period, []
        case.unit("whole", name="Acme", headcount=500)
        return case.marts  # type: ignore[no-any-return]

    monkeypatch.setattr(assets, "load_marts", rows_of)


def test_the_graph(settings: Settings) -> None:
    (asset,) = assets.build_assets(settings, [Grain.MONTH])
    spec = asset.get_asset_spec(KEY)
    assert spec.group_name == "scorecard"
    assert spec.owners and spec.description
    assert spec.kinds == {"python", "json"}
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {
        "warehouse/month_figures",
        "warehouse/quarter_figures",
    }
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()
    assert [key.name for key in asset.check_keys] == ["scorecard_consistent"]


def test_a_month_may_depend_on_quarters(settings: Settings) -> None:
    """Dagster maps the time windows by itself; the two never share a job."""
    figures = [
        dg.AssetSpec(
            ["warehouse", f"{grain}_figures"],
            partitions_def=period_partitions(grain, settings.organisation),
        )
        for grain in (Grain.MONTH, Grain.QUARTER)
    ]
    defs = dg.Definitions(assets=[*assets.build_assets(settings), *figures])
    dg.Definitions.validate_loadable(defs)


def test_each_grain_can_have_its_scorecard(settings: Settings) -> None:
    found = assets.build_assets(settings)
    assert [asset.key.path[-1] for asset in found] == [
        "week_scorecard",
        "month_scorecard",
        "quarter_scorecard",
    ]
    deps = [
        sorted(dep.asset_key.path[-1] for dep in next(iter(asset.specs)).deps) for asset in found
    ]
    assert deps == [
        ["month_figures", "quarter_figures", "week_figures"],
        ["month_figures", "quarter_figures"],
        ["month_figures", "quarter_figures"],  # the months' signals tell who adopted
    ]


def test_one_month(full_case: Case, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    give(full_case, monkeypatch)
    close(settings, Period.parse("2026-10"))
    result = run(settings, "2026-10-01")
    assert result.success
    file = settings.home / "drafts" / "monthly" / "2026-10" / "scorecard.json"
    card = read_scorecard(file)
    assert card.charter_hash == "abc"
    (event,) = result.asset_materializations_for_node("scorecard__month_scorecard")
    figures = {name: value.value for name, value in event.metadata.items()}
    assert figures["active_learner_rate"] == 53.2
    assert figures["performance_improvement"] == 3.4
    assert figures["file"] == str(file)
    assert "| Mandatory learning on time | October 2026 | 87.0 % | 95.0 % |" in figures["preview"]
    assert not any(name in json.dumps(figures) for name in ("Ada Byron", "Grace Hopper"))
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed
    assert read_stands_on(settings, Period.parse("2026-10")) == manifest_hash({})


def test_a_draft_notes_the_data_of_its_figures_not_of_a_later_close(
    full_case: Case, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The close was made again, and its figures failed: those in force are of the data before."""
    give(full_case, monkeypatch)
    lake, october = Lake(settings.lake_url), Period.parse("2026-10")
    close(settings, october)
    lake.write_json({"raw_state_hash": "before"}, "published", "month", october.id, "b1", BUILD)
    _write_index(lake, Grain.MONTH, {october.id: "b1"})
    assert run(settings, "2026-10-01").success
    assert read_stands_on(settings, october) == "before"
    found = read_close(lake, october)
    assert found is not None
    assert "on other data than it was closed on" in pack(Grain.MONTH).outdated(
        settings, october, found
    )


def test_the_leaders_pages_lie_beside_the_drafts_and_a_week_has_none(
    full_case: Case, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rows_of(lake: Lake, period: Period) -> Marts:
        full_case.period, full_case.units, full_case.models = period, [], {}
        full_case.unit("whole", name="Acme", headcount=500)
        fill(full_case)
        return full_case.marts  # type: ignore[no-any-return]

    monkeypatch.setattr(assets, "load_marts", rows_of)
    for grain, period_id, ritual in (
        (Grain.WEEK, "2026-W45", "weekly"),
        (Grain.MONTH, "2026-10", "monthly"),
        (Grain.QUARTER, "2026-Q3", "quarterly"),
    ):
        period = Period.parse(period_id)
        close(settings, period)
        result = run(settings, period.start.isoformat(), grain=grain)
        assert result.success
        drafts = settings.home / "drafts"
        card = read_scorecard(drafts / ritual / period_id / "scorecard.json")
        assert (card.stand_up is not None) == (grain is Grain.WEEK)
        assert (card.strategy is not None) == (grain is Grain.QUARTER)
        assert (card.leadership_page is not None) == (grain is not Grain.WEEK)
        file = drafts / "leaders" / ritual / f"{period_id}.json"
        assert file.exists() == (grain is not Grain.WEEK)
        if file.exists():
            assert [page.person_id for page in read_leaders(file)] == ["p1", "p2"]
        (event,) = result.asset_materializations_for_node(f"scorecard__{grain}_scorecard")
        told = json.dumps({name: str(value.value) for name, value in event.metadata.items()})
        assert "Something p1" not in told and "Ada Byron" not in told


def test_a_range_of_months_is_one_run_with_each_month_s_own_figures(
    full_case: Case, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(full_case, monkeypatch)
    full_case.value("active_learner_rate", "44.0", period=Period.parse("2026-09"), numerator=220,
                    denominator=500)  # fmt: skip
    for month in ("2026-08", "2026-09", "2026-10"):
        close(settings, Period.parse(month))
    result = run(settings, "2026-08-01", "2026-10-01")
    assert result.success
    events = result.asset_materializations_for_node("scorecard__month_scorecard")
    plotted = {e.partition: e.metadata["active_learner_rate"].value for e in events}
    assert plotted == {"2026-08-01": 53.2, "2026-09-01": 44.0, "2026-10-01": 53.2}
    for month, text in (("2026-08", "53.2 %"), ("2026-09", "44.0 %")):
        file = settings.home / "drafts" / "monthly" / month / "scorecard.json"
        assert read_scorecard(file).kpis[4].now.text == text


@pytest.mark.parametrize("state", ["held", "never closed"])
def test_a_period_that_is_not_allowed_is_refused(
    full_case: Case, settings: Settings, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    give(full_case, monkeypatch)
    close(settings, Period.parse("2026-09"))
    if state == "held":
        close(settings, Period.parse("2026-10"), allowed=False)
    assert not run(settings, "2026-09-01", "2026-10-01").success
    assert not (settings.home / "drafts").exists()  # nor is the allowed month half done


def test_a_fault_leaves_the_last_good_scorecard_and_fails_the_check(
    full_case: Case, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(full_case, monkeypatch)
    close(settings, Period.parse("2026-10"))
    assert run(settings, "2026-10-01").success
    file = settings.home / "drafts" / "monthly" / "2026-10" / "scorecard.json"
    before = file.read_bytes()
    full_case.value("active_learner_rate", "1.0", numerator=5, denominator=500)
    monkeypatch.setattr(assets, "inconsistencies", lambda card, marts, pages: ["a figure is wrong"])
    result = run(settings, "2026-10-01")
    assert not result.success
    assert not result.asset_materializations_for_node("scorecard__month_scorecard")
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.metadata["faults"].value == ["2026-10: a figure is wrong"]
    assert file.read_bytes() == before


def test_hostile_names_stay_inside_the_preview(full_case: Case) -> None:
    full_case.catalogue = [
        {**row, "name": "a|b\n<img src=x> [x](y)"} if row["kpi_id"] == "seat_use" else row
        for row in full_case.catalogue
    ]
    preview = assets.headline_metadata(full_case.build())["preview"].value
    assert "| a\\|b \\<img src=x> \\[x\\](y) | Q3 2026 |" in preview
