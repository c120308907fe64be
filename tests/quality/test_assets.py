"""The assets as Dagster runs them: promotion, refusal, checks, ranges, and the gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    DagsterInstance,
    Definitions,
    ExecuteInProcessResult,
    asset,
    materialize,
)

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import in_force, manifests
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, period_partitions
from orchestration.quality.assets import build_assets
from orchestration.quality.close import read_close, require_allowed
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.fold import build_fold_assets
from tests.quality.small_deliveries import good_profile, in_place, manifest_of, rows_of, stage
from tests.quality.test_close import APR_1, FEB_28, MAR_31, promoted, refused, whole_march

JAN_31 = date(2026, 1, 31)
NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def assets_of(settings: Settings) -> dict[AssetKey, AssetsDefinition]:
    built = [*build_assets(settings, lambda: "charter", lambda: NOW), *build_fold_assets(settings)]
    return {built_asset.key: built_asset for built_asset in built}


def run(
    settings: Settings,
    instance: DagsterInstance,
    *keys: str,
    first: date,
    last: date | None = None,
    more: tuple[AssetsDefinition, ...] = (),
) -> ExecuteInProcessResult:
    """Materialize assets for one partition, or for a range of them in one run."""
    known = assets_of(settings)
    chosen = [known[AssetKey(key.split("/"))] for key in keys]
    tags = {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": (last or first).isoformat(),
    }
    return materialize(
        [*chosen, *more],
        instance=instance,
        raise_on_error=False,
        partition_key=None if last else first.isoformat(),
        tags=tags if last else None,
    )


def checks(result: ExecuteInProcessResult) -> dict[str, AssetCheckEvaluation]:
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def metadata(
    result: ExecuteInProcessResult, key: str, partition: date | None = None
) -> dict[str, Any]:
    """What the materialization of an asset shows, of one partition where there were several."""
    (found,) = (
        event
        for event in result.asset_materializations_for_node(key.replace("/", "__"))
        if partition is None or event.partition == partition.isoformat()
    )
    return {name: value.value for name, value in found.metadata.items()}


def bad_profile(feed: FeedName, **changes: float) -> dict[str, Any]:
    return {**good_profile(feed), **changes}


def test_one_good_then_one_bad_delivery(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    settings = make_settings()
    stage(lake, manifest_of("people", FEB_28, rows=10, rejected=0))
    good = run(settings, instance, "quality/raw_people", first=FEB_28)
    assert good.success
    found = checks(good)
    assert {name for name, check in found.items() if check.passed} == {
        "contract",
        "expectations",
        "rows_conserved",
    }
    assert metadata(good, "quality/raw_people")["dagster/row_count"] == 10

    stage(
        lake,
        manifest_of("people", MAR_31, rows=4, profile=bad_profile("people", volume_ratio=0.4)),
    )
    bad = run(settings, instance, "quality/raw_people", first=MAR_31)
    assert bad.success  # the asset stands; the verdict and the check say what was refused
    found = checks(bad)
    assert not found["expectations"].passed
    assert found["expectations"].severity is AssetCheckSeverity.ERROR
    assert "2026-03-31.001: volume_not_halved: " in str(found["expectations"].description)
    assert found["contract"].passed and found["rows_conserved"].passed
    assert [row["delivery_id"] for row in in_force(lake, "people")] == ["2026-02-28.001"]
    assert rows_of(lake, "people") == 10
    shown = metadata(bad, "quality/raw_people")
    assert (shown["deliveries_refused"], shown["deliveries_in_force"]) == (1, 1)


def test_a_contract_problem_is_shown_with_file_column_and_row(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    problem = "file people_2026-03-31.csv, column hired_on, row 7: one value is not a date."
    stage(
        lake,
        manifest_of(
            "people", MAR_31, rows=0, profile={}, contract_problem=problem, verdict="refused"
        ),
    )
    found = checks(run(make_settings(), instance, "quality/raw_people", first=MAR_31))
    assert not found["contract"].passed
    assert found["contract"].severity is AssetCheckSeverity.ERROR
    assert found["contract"].description == f"2026-03-31.001: {problem}"
    assert found["contract"].metadata["files"].value == ["people_2026-03-31.csv"]
    assert found["expectations"].passed  # one fault, one red check
    (manifest,) = manifests(lake, "people")
    assert manifest.failed_expectations == [f"contract_kept: {problem}"]


def test_a_warning_stops_nothing(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    stage(lake, manifest_of("people", MAR_31, profile=bad_profile("people", manager_cycle_rows=2)))
    result = run(
        make_settings(), instance, "quality/raw_people", "warehouse/versions_people", first=MAR_31
    )
    found = checks(result)
    assert result.success and not found["expectations"].passed
    assert found["expectations"].severity is AssetCheckSeverity.WARN
    assert rows_of(lake, "people") == 10
    assert metadata(result, "warehouse/versions_people")["dagster/row_count"] == 10


def test_a_range_lands_the_good_ones_beside_the_bad_one(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    stage(lake, manifest_of("org_units", JAN_31, rows=10))
    stage(lake, manifest_of("org_units", FEB_28, rows=10, profile={}))
    stage(lake, manifest_of("org_units", MAR_31, rows=10, rejected=1))
    result = run(
        make_settings(),
        instance,
        "quality/raw_org_units",
        "warehouse/versions_org_units",
        first=JAN_31,
        last=MAR_31,
    )
    assert result.success and not checks(result)["expectations"].passed
    assert [r["delivery_id"] for r in in_force(lake, "org_units")] == [
        "2026-01-31.001",
        "2026-03-31.001",
    ]
    counts = ("dagster/row_count", "rows_in", "rows_accepted", "rows_rejected")
    for day, expected in (
        (JAN_31, (10, 10, 10, 0)),
        (FEB_28, (0, 10, 10, 0)),
        (MAR_31, (10, 11, 10, 1)),
        (date(2026, 3, 30), (None,) * 4),  # nothing was delivered, so nothing is noted
    ):
        shown = metadata(result, "quality/raw_org_units", day)
        assert tuple(shown.get(name) for name in counts) == expected
        assert ("delivered" in shown) == (day.day != 30)
    shown = metadata(result, "warehouse/versions_org_units", MAR_31)
    assert (shown["deliveries_folded_now"], shown["deliveries_in_force"]) == (2, 2)


def test_a_good_redelivery_turns_the_check_green(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    settings = make_settings()
    stage(lake, manifest_of("people", MAR_31, profile=bad_profile("people", volume_ratio=0.1)))
    assert not checks(run(settings, instance, "quality/raw_people", first=MAR_31))[
        "expectations"
    ].passed
    stage(lake, manifest_of("people", MAR_31, 2))
    found = checks(run(settings, instance, "quality/raw_people", first=MAR_31))
    assert found["expectations"].passed
    # and red again where the newest is bad, though the good one stays in force
    stage(lake, manifest_of("people", MAR_31, 3, profile={}))
    found = checks(run(settings, instance, "quality/raw_people", first=MAR_31))
    assert not found["expectations"].passed
    assert [row["delivery_id"] for row in in_force(lake, "people")] == ["2026-03-31.002"]


def test_rejected_rows_are_shown_by_number_and_reason_never_by_value(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    stage(lake, manifest_of("activity", APR_1, rows=98, rejected=2))
    result = run(make_settings(), instance, "quality/raw_activity", first=APR_1)
    shown = metadata(result, "quality/raw_activity")
    assert [record.data for record in shown["rejected_rows"].records] == [
        {"delivery": "2026-04-01.001", "file": "file.csv", "row": n, "reason": "unknown person"}
        for n in (1, 2)
    ]
    assert [record.data for record in shown["rejected_by_reason"].records] == [
        {"reason": "unknown person", "rows": 2}
    ]
    assert "secret" not in str(result.all_events)
    found = checks(result)
    assert found["rows_conserved"].description == "100 in = 98 accepted + 2 rejected"
    assert found["expectations"].severity is AssetCheckSeverity.WARN  # 2 % rejected


def test_lost_rows_fail_their_check(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    stage(lake, manifest_of("people", MAR_31))
    lake.remove("staged", "people")
    found = checks(run(make_settings(), instance, "quality/raw_people", first=MAR_31))
    assert not found["rows_conserved"].passed
    assert "is missing" in str(found["rows_conserved"].description)
    assert in_force(lake, "people") == []


def test_freshness_fails_past_the_deadline_and_not_before(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    in_place(lake, promoted("people", FEB_28, rows=0))
    found = checks(run(make_settings(), instance, "quality/raw_people", first=FEB_28))
    assert not found["freshness"].passed
    assert found["freshness"].severity is AssetCheckSeverity.ERROR
    assert found["freshness"].metadata["age_days"].value == 51
    in_place(lake, promoted("people", MAR_31, rows=0))
    found = checks(run(make_settings(), instance, "quality/raw_people", first=MAR_31))
    assert found["freshness"].passed


def test_a_date_without_delivery_is_no_fault_of_a_delivery(
    make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    result = run(make_settings(), instance, "quality/raw_people", first=MAR_31)
    found = checks(result)
    assert result.success
    assert all(found[name].passed for name in ("contract", "expectations", "rows_conserved"))
    assert found["expectations"].description == "no delivery of these dates"
    assert not found["freshness"].passed


def gated(settings: Settings, done: list[str]) -> AssetsDefinition:
    """A ritual asset as later stages write them: it asks before it makes anything."""

    @asset(
        key=["warehouse", "month_figures"],
        deps=[AssetKey(["quality", "month_close"])],
        partitions_def=period_partitions(Grain.MONTH, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
    )
    def figures(context) -> None:  # type: ignore[no-untyped-def]
        for key in context.partition_keys:
            period = Period.containing(Grain.MONTH, date.fromisoformat(key))
            require_allowed(Lake(settings.lake_url), period)
            done.append(period.id)

    return figures


MARCH, FEBRUARY = date(2026, 3, 1), date(2026, 2, 1)


def test_a_complete_close_lets_the_ritual_through(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    settings, done = make_settings(), list[str]()
    in_place(lake, *whole_march())
    result = run(
        settings, instance, "quality/month_close", first=MARCH, more=(gated(settings, done),)
    )
    assert result.success and done == ["2026-03"]
    assert checks(result)["complete"].passed
    shown = metadata(result, "quality/month_close")
    assert (shown["verdict"], shown["charter_hash"]) == ("complete", "charter")
    assert len(shown["feeds"].records) == len(CONTRACT)


def test_a_refused_delivery_holds_the_ritual_alone_and_in_a_range(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    """The close materializes; what is behind it refuses, in whatever run it is asked."""
    settings, done = make_settings(on_stale="hold"), list[str]()
    in_place(lake, *(m for m in whole_march() if m.feed != "people"))
    in_place(lake, promoted("people", FEB_28), refused("people", MAR_31))
    figures = gated(settings, done)

    together = run(settings, instance, "quality/month_close", first=MARCH, more=(figures,))
    assert not together.success
    assert checks(together)["complete"].severity is AssetCheckSeverity.ERROR
    assert metadata(together, "quality/month_close")["verdict"] == "held"

    alone = run(settings, instance, first=MARCH, more=(figures,))
    assert not alone.success
    (failure,) = [e for e in alone.all_events if e.is_step_failure]
    assert "Delivery 2026-03-31.001 was refused" in str(failure.event_specific_data)

    ranged = run(settings, instance, first=FEBRUARY, last=MARCH, more=(figures,))
    assert not ranged.success and done == []

    # a good redelivery and a new close let it through
    in_place(lake, promoted("people", MAR_31, 2))
    mended = run(settings, instance, "quality/month_close", first=MARCH, more=(figures,))
    assert mended.success and done == ["2026-03"]


def test_a_range_of_closes_shows_each_verdict(
    lake: Lake, make_settings: Callable[..., Settings], instance: DagsterInstance
) -> None:
    in_place(lake, *whole_march())
    result = run(make_settings(), instance, "quality/month_close", first=FEBRUARY, last=MARCH)
    assert result.success
    assert metadata(result, "quality/month_close", FEBRUARY)["verdict"] == "stale"
    assert metadata(result, "quality/month_close", MARCH)["verdict"] == "complete"
    check = checks(result)["complete"]
    assert (check.passed, check.severity) == (False, AssetCheckSeverity.WARN)
    close = read_close(lake, Period.parse("2026-02"))
    assert close is not None and close.allowed
    assert close.feeds["activity"].reason == "The first event ever is of 28 February 2026."


def test_every_asset_says_what_it_is(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(without=("initiatives", "decisions"))
    built = assets_of(settings)
    assert {key.to_user_string() for key in built} == {
        *(f"quality/raw_{feed}" for feed in settings.feeds),
        *(f"quality/{grain}_close" for grain in Grain),
        *(f"warehouse/versions_{f}" for f in ("people", "org_units", "courses", "enrolments")),
    }
    Definitions(assets=list(built.values())).resolve_asset_graph()
    for definition in built.values():
        (spec,) = definition.specs
        assert spec.description and spec.kinds and spec.owners
        assert spec.group_name == definition.key.path[0]
        assert definition.backfill_policy == BackfillPolicy.single_run()
