"""The project's event log holds, after the same run, what Dagster's own storage holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.storage.event_log import EventLogStorage, SqliteEventLogStorage
from dagster_postgres import PostgresEventLogStorage

from orchestration.instance import BatchingSqliteEventLogStorage
from orchestration.problems import Problem
from orchestration.runs import instance_environment
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from tests.postgresql import Server

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


EVENTS = """
    SELECT coalesce(dagster_event_type, ''), coalesce(step_key, ''), coalesce(asset_key, ''),
        coalesce(partition, '') FROM event_logs"""
INDEX = {
    "assets": "SELECT asset_key, last_materialization IS NULL FROM asset_keys",
    "checks": """
        SELECT asset_key, check_name, execution_status, coalesce(partition, '')
        FROM asset_check_executions""",
    "tags": "SELECT asset_key, key FROM asset_event_tags",
}


def _held(folder: Path) -> dict[str, Any]:
    """What the storage's databases hold, without times and ids that differ by nature."""
    held: dict[str, Any] = {}
    for name in ("index", "run"):
        (file,) = [f for f in folder.glob("*.db") if (f.stem == "index") == (name == "index")]
        with sqlite3.connect(file) as connection:
            held[name] = sorted(connection.execute(EVENTS).fetchall())
            if name == "index":
                for table, query in INDEX.items():
                    held[table] = sorted(connection.execute(query).fetchall())
    return held


def _prepare(home: Path, monkeypatch: pytest.MonkeyPatch, **paths: Any) -> None:
    """Make the project's instance of a home the one in force."""
    settings = Settings(
        organisation=OrganisationSettings(name="T"), paths=PathSettings(home=home, **paths)
    )
    for name, value in instance_environment(settings).items():
        monkeypatch.setenv(name, value)


def _run(storage: type[EventLogStorage]) -> dict[str, Any]:
    """Run both assets in the instance in force; what it then says of them."""
    with dg.DagsterInstance.get() as instance:
        assert type(instance.event_log_storage) is storage
        result = (
            _definitions().resolve_job_def("both").execute_in_process(instance=instance, tags=RANGE)
        )
        assert result.success
        key = dg.AssetKey("first")
        newest = instance.get_latest_materialization_event(key)
        assert newest is not None and newest.asset_materialization is not None
        return {
            "partitions": sorted(instance.get_materialized_partitions(key)),
            "newest": (
                newest.asset_materialization.partition,
                {k: v.value for k, v in newest.asset_materialization.metadata.items()},
            ),
        }


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the project's own storage says and holds."""
    _prepare(tmp_path / "ours", monkeypatch)
    seen = _run(BatchingSqliteEventLogStorage)
    assert len(seen["partitions"]) == 18
    return seen, _held(tmp_path / "ours" / "dagster" / "history" / "runs")


def test_the_same_run_leaves_the_same_events(
    ours: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "theirs"
    _prepare(home, monkeypatch)
    (home / "dagster" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    assert _run(SqliteEventLogStorage) == ours[0]
    assert _held(home / "dagster" / "history" / "runs") == ours[1]


def test_an_instance_on_postgresql_holds_the_same(
    ours: tuple[dict[str, Any], dict[str, Any]],
    postgresql: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = postgresql.database("instance")
    home = tmp_path / "theirs"
    _prepare(home, monkeypatch, instance=url)
    assert _run(PostgresEventLogStorage) == ours[0]
    with psycopg.connect(url) as connection:
        held = {
            table: sorted(connection.execute(query.encode()).fetchall())
            for table, query in {"run": EVENTS, **INDEX}.items()
        }
    assert held == {table: rows for table, rows in ours[1].items() if table != "index"}
    assert not (home / "dagster" / "history").exists()
    assert "postgresql://" not in (home / "dagster" / "dagster.yaml").read_text()


def test_an_instance_on_postgresql_asks_for_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.runs.find_spec", lambda name: None)
    with pytest.raises(Problem, match="not installed"):
        _prepare(tmp_path, monkeypatch, instance="postgresql://host/database")


def test_the_organisations_own_configuration_adds_to_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("run_monitoring:\n  enabled: true\n  max_runtime_seconds: 7200\n")
    _prepare(tmp_path, monkeypatch, dagster=own)
    with dg.DagsterInstance.get() as instance:
        assert instance.run_monitoring_max_runtime_seconds == 7200
        assert type(instance.event_log_storage) is BatchingSqliteEventLogStorage
    own.write_text("- no mapping")
    with pytest.raises(Problem, match="cannot be read"):
        _prepare(tmp_path, monkeypatch, dagster=own)
