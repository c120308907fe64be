"""The landing assets as Dagster runs them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import dagster as dg
import pytest

from orchestration.feeds.assets import build_assets
from orchestration.feeds.contract import CONTRACT

from .conftest import Organisation, event, header, person

Make = Callable[..., Organisation]


def asset(made: Organisation, feed: str) -> dg.AssetsDefinition:
    (found,) = [a for a in build_assets(made.settings) if a.key.path[-1] == f"landed_{feed}"]
    return found


def run(made: Organisation, feed: str, first: str, last: str) -> dict[str, dict[str, Any]]:
    """Materialize a range; metadata values by partition."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset(made, feed)],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            },
        )
        assert result.success
        return {
            str(e.partition): {k: v.value for k, v in e.materialization.metadata.items()}
            for e in result.get_asset_materialization_events()
        }


def test_every_declared_feed_is_an_asset(organisation: Make) -> None:
    made = organisation({feed: {} for feed in ("people", "courses", "activity")})
    assets = {a.key.path[-1]: a for a in build_assets(made.settings)}
    written = assets.pop("landed_records")  # declared by default: JSON lines of the system's own
    assert {"duckdb", "parquet", "jsonl"} == set(next(iter(written.specs)).kinds)
    assert list(assets) == ["landed_people", "landed_courses", "landed_activity"]
    for name, built in assets.items():
        feed = CONTRACT[name.removeprefix("landed_")]  # type: ignore[index]
        (spec,) = built.specs
        assert spec.key == dg.AssetKey(["feeds", name])
        assert spec.group_name == "feeds"
        assert spec.owners and spec.description and {"duckdb", "parquet", "csv"} == spec.kinds
        schema = spec.metadata["dagster/column_schema"]
        assert [(c.name, c.type) for c in schema.columns] == [
            (c.name, c.sql_type) for c in feed.columns
        ]
        assert isinstance(spec.partitions_def, dg.DailyPartitionsDefinition)
        assert built.backfill_policy == dg.BackfillPolicy.single_run()
    people = dg.AssetKey(["quality", "raw_people"])
    assert [d.asset_key for d in assets["landed_activity"].specs_by_key[
        dg.AssetKey(["feeds", "landed_activity"])].deps] == [people]  # fmt: skip
    assert not list(next(iter(assets["landed_people"].specs)).deps)
    assert not list(next(iter(assets["landed_courses"].specs)).deps)


def test_without_a_people_feed_nothing_waits_for_people(organisation: Make) -> None:
    (spec,) = asset(organisation("activity"), "activity").specs
    assert not list(spec.deps)


def test_a_range_lands_in_one_run_with_the_counts_of_each_day(organisation: Make) -> None:
    made = organisation("people")
    made.deliver("people_2026-10-01.csv", header("people") + person("a") + person("a"))
    made.deliver("people_2026-10-03.csv", header("people") + person("a") + person("b"))
    days = run(made, "people", "2026-10-01", "2026-10-03")
    assert list(days) == ["2026-10-01", "2026-10-02", "2026-10-03"]
    keys = ("rows_in", "rows_accepted", "rows_rejected", "dagster/row_count", "deliveries_landed")
    assert [tuple(days[d].get(k) for k in keys) for d in days] == [
        (2, 1, 1, 1, 1),
        (None,) * 5,  # nothing was delivered, so nothing is noted
        (2, 2, 0, 2, 1),
    ]
    assert days["2026-10-01"]["rejected_by_reason"] == {"duplicate key": 1}
    (record,) = days["2026-10-03"]["deliveries"].records
    assert record.data == {
        "delivery": "2026-10-03.001",
        "status": "landed",
        "files": "people_2026-10-03.csv",
        "rows_in": 2,
        "rows_accepted": 2,
        "rows_rejected": 0,
        "note": "",
    }


def test_a_refused_and_a_deferred_delivery_do_not_fail_the_step(organisation: Make) -> None:
    made = organisation("activity")
    made.deliver("activity_2026-10-01.csv", "")
    made.deliver("activity_2026-10-02.csv.part", header("activity"))
    made.deliver("activity_2026-10-03.csv", header("activity") + event("e"))
    days = run(made, "activity", "2026-10-01", "2026-10-03")
    assert days["2026-10-01"]["deliveries_refused"] == 1
    assert "is empty" in days["2026-10-01"]["deliveries"].records[0].data["note"]
    assert days["2026-10-02"]["deliveries_deferred"] == 1
    assert "still being sent" in days["2026-10-02"]["not_yet_landed"]
    assert days["2026-10-03"]["deliveries_landed"] == 1


def test_a_wrong_declaration_fails_the_step(organisation: Make) -> None:
    made = organisation({"activity": {"select": "SELECT * FROM read_csv('/etc/passwd')"}})
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [asset(made, "activity")],
            instance=instance,
            partition_key=str(date(2026, 10, 1)),
            raise_on_error=False,
        )
        assert not result.success


@pytest.mark.parametrize("value", ["Jane Roe", "jane@example.org"])
def test_metadata_shows_no_person(organisation: Make, value: str) -> None:
    made = organisation("people")
    rows = person("p1", full_name=value, email=value, hired_on="soon") + person("p1")
    made.deliver("people_2026-10-01.csv", header("people") + rows)
    made.deliver("people_2026-10-02.csv", header("people") + rows.replace("soon", "2026-01-01"))
    assert value not in str(run(made, "people", "2026-10-01", "2026-10-02"))
    assert not any(value in str(made.lake.read_json(f)) for f in made.lake.files("deliveries"))
