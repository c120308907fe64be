"""The asset: after delivery, the whole site; it names nobody."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from orchestration.archive.assets import CHECK, build_assets
from orchestration.periods import Grain
from orchestration.settings import Settings
from orchestration.state import State


def run(settings: Settings) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        build_assets(settings),
        partition_key="2026-10-01",
        instance=dg.DagsterInstance.ephemeral(),
    )


def test_each_ritual_renews_the_archive_after_its_delivery(settings: Settings) -> None:
    assets = build_assets(settings, list(Grain))
    for grain, asset in zip(Grain, assets, strict=True):
        key = dg.AssetKey(["archive", f"{grain}_site"])
        assert asset.key == key
        assert asset.asset_deps[key] == {dg.AssetKey(["delivery", f"{grain}_delivery"])}


def test_a_run_builds_the_site_and_says_what_is_amiss(reviewed: Settings) -> None:
    result = run(reviewed)
    (event,) = result.asset_materializations_for_node("archive__month_site")
    told = {name: each.value for name, each in event.metadata.items()}
    assert (told["editions"], told["not_sent"], told["files_removed"]) == (5, 1, 0)
    assert Path(str(told["site"])).is_file()
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == CHECK and check.passed
    with State.open(reviewed) as state:
        pack = Path(state.editions("monthly")[0].folder) / "review-pack.pdf"
    pack.unlink()
    result = run(reviewed)
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "monthly 2026-09: edition 1" in str(check.metadata["faults"].value)
    assert "ada@" not in str(check.metadata)
