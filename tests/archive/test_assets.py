"""The asset: after delivery, the whole site; it names nobody."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import dagster as dg

from orchestration.archive.assets import CHECK, build_assets
from orchestration.archive.sensors import build_sensors
from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.periods import Grain
from orchestration.settings import FeedSettings, Settings
from orchestration.state import State
from tests.quality.small_deliveries import in_place, manifest_of


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
        assert asset.asset_deps[key] == {
            dg.AssetKey(["delivery", f"{grain}_delivery"]),
            dg.AssetKey(["review", f"{grain}_pages"]),
        }


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


def test_between_reviews_it_is_renewed_when_a_delivery_was_judged(settings: Settings) -> None:
    people = FeedSettings(files={"people": "people_{date}.csv"}, owner="HR systems")
    settings = settings.model_copy(update={"feeds": {**settings.feeds, "people": people}})
    (sensor,) = build_sensors(settings)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    context = dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral())

    def tick() -> str:
        found = sensor.evaluate_tick(context)
        assert not found.run_requests
        context.update_cursor(found.cursor)
        return str(found.skip_message)

    lake = Lake(settings.lake_url, settings.duckdb)
    initialise(lake)
    assert tick() == "2 files of the archive were renewed"  # nothing was delivered yet
    assert tick() == "nothing was judged since, and the day is the same"
    failed = {"verdict": "refused", "failed_expectations": ["few_rows: No. Remedy: look."]}
    in_place(lake, manifest_of("people", date(2026, 9, 30)).model_copy(update=failed))
    assert "renewed" in tick()
    assert "nothing was judged" in tick()
    page = (settings.home / "archive" / "quality" / "people.html").read_text()
    assert "The newest delivery was refused, since 30 September 2026." in page
