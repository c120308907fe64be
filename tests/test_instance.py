"""The project's event log holds, after the same run, what Dagster's own storage holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.instance import BatchingSqliteEventLogStorage
from orchestration.runs import instance_environment
from orchestration.settings import OrganisationSettings, PathSettings, Settings

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
RANGE = {
    "dagster/asset_partition_range_start": "2026-01-03",
    "dagster/asset_partition_range_end": "2026-01-20",
}


def _definitions() -> dg.Definitions:
    @dg.asset(
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("whole", asset="first")],
    )
    def first(context):  # type: ignore[no-untyped-def]
        for key in context.partition_keys:
            context.add_asset_metadata({"day": key}, partition_key=key)
        return dg.MaterializeResult(
            metadata={"rows": 3}, check_results=[dg.AssetCheckResult(passed=True)]
        )

    @dg.asset(deps=[first], partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def second() -> None: ...

    return dg.Definitions(
        assets=[first, second],
        jobs=[dg.define_asset_job("both", "*")],
        executor=dg.in_process_executor,
    )


def _held(folder: Path) -> dict[str, Any]:
    """What the storage's databases hold, without times and ids that differ by nature."""
    held: dict[str, Any] = {}
    for name in ("index", "run"):
        (file,) = [f for f in folder.glob("*.db") if (f.stem == "index") == (name == "index")]
        with sqlite3.connect(file) as connection:
            held[name] = sorted(
                connection.execute(
                    "SELECT coalesce(dagster_event_type, ''), coalesce(step_key, ''),"
                    " coalesce(asset_key, ''), coalesce(partition, '') FROM event_logs"
                ).fetchall()
            )
            if name == "index":
                held["assets"] = sorted(
                    connection.execute(
                        "SELECT asset_key, last_materialization IS NULL FROM asset_keys"
                    ).fetchall()
                )
                held["checks"] = sorted(
                    connection.execute(
                        "SELECT asset_key, check_name, execution_status, coalesce(partition, '')"
                        " FROM asset_check_executions"
                    ).fetchall()
                )
                held["tags"] = sorted(
                    connection.execute("SELECT asset_key, key FROM asset_event_tags")
                )
    return held


def _run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ours: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = Settings(
        organisation=OrganisationSettings(name="T"), paths=PathSettings(home=tmp_path)
    )
    for name, value in instance_environment(settings).items():
        monkeypatch.setenv(name, value)
    if not ours:
        (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, BatchingSqliteEventLogStorage) == ours
        result = (
            _definitions().resolve_job_def("both").execute_in_process(instance=instance, tags=RANGE)
        )
        assert result.success
        key = dg.AssetKey("first")
        newest = instance.get_latest_materialization_event(key)
        assert newest is not None and newest.asset_materialization is not None
        seen = {
            "partitions": sorted(instance.get_materialized_partitions(key)),
            "newest": (
                newest.asset_materialization.partition,
                {k: v.value for k, v in newest.asset_materialization.metadata.items()},
            ),
        }
    return seen, _held(tmp_path / "dagster" / "history" / "runs")


def test_the_same_run_leaves_the_same_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours = _run(tmp_path / "ours", monkeypatch, ours=True)
    theirs = _run(tmp_path / "theirs", monkeypatch, ours=False)
    assert len(ours[0]["partitions"]) == 18
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
