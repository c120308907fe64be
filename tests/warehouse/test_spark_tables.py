"""Spark's tables as Python sees them; what Spark builds is tested in tests/spark."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.settings import OrganisationSettings, PathSettings, Settings, WarehouseSettings
from orchestration.warehouse.lock import warehouse_connection, warehouse_lock
from orchestration.warehouse.spark_tables import begin_build, end_build, show_tables, table_folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="T"),
        paths=PathSettings(home=tmp_path),
        warehouse=WarehouseSettings(engine="spark"),
    )


def test_a_table_with_files_is_shown_and_its_partitions_are_columns(settings: Settings) -> None:
    table_folder(settings, "seed_without_rows").mkdir(parents=True)
    day = table_folder(settings, "facts") / "event_day=2026-07-01"
    day.mkdir(parents=True)
    with (
        warehouse_lock(settings, "test"),
        warehouse_connection(settings) as connection,
    ):
        connection.execute(f"COPY (SELECT 3 AS events) TO '{day}/part-0.parquet'")
        show_tables(settings, connection)
        assert connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE NOT internal"
        ).fetchall() == [("facts",)]
        (row,) = connection.execute("SELECT events, event_day::VARCHAR FROM main.facts").fetchall()
    assert row == (3, "2026-07-01")


@pytest.mark.parametrize(("exit_code", "kept"), [(0, True), (1, True), (137, False), (None, False)])
def test_what_a_killed_build_left_is_built_anew(
    settings: Settings, exit_code: int | None, kept: bool
) -> None:
    with warehouse_lock(settings, "first"), warehouse_connection(settings):
        begin_build(settings)
        table_folder(settings, "half").mkdir(parents=True)
        end_build(settings, exit_code)
    with warehouse_lock(settings, "second") as file:
        assert file.exists() == kept
        assert table_folder(settings, "half").exists() == kept
