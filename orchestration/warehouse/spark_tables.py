"""What Spark built, shown to DuckDB: a view of each table's Parquet files."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from orchestration.lake import identifier, quoted
from orchestration.settings import Settings

SCHEMA = "main"
_DBT_ENDED = (0, 1, 2)
"""dbt's own exit codes: all well, something failed, nothing could be run."""


def table_folder(settings: Settings, table: str) -> Path:
    """Where Spark lays the files of one table of the dbt project."""
    return settings.spark_folder / "tables" / f"{SCHEMA}.db" / table


def show_tables(settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
    """Let a connection to the warehouse read every table that Spark has built, where Spark builds.

    A table without a file, such as a seed without a row, is left out.
    """
    if settings.warehouse.engine != "spark":
        return
    for folder in sorted(table_folder(settings, "").glob("*/")):
        if any(folder.rglob("*.parquet")):
            files = quoted(f"{folder}/**/*.parquet")
            connection.execute(
                f"CREATE OR REPLACE VIEW {SCHEMA}.{identifier(folder.name)} AS "
                f"SELECT * FROM read_parquet({files}, hive_partitioning = true)"
            )


def begin_build(settings: Settings) -> None:
    """Mark Spark's tables as being built, where Spark builds them. Needs the lock."""
    if settings.warehouse.engine == "spark":
        settings.spark_folder.mkdir(parents=True, exist_ok=True)
        _mark(settings).touch()


def end_build(settings: Settings, exit_code: int | None) -> None:
    """Unmark them if dbt ended by itself, well or not.

    One that was killed may leave a table's files without the table, which Spark never writes over.
    """
    if exit_code in _DBT_ENDED:
        _mark(settings).unlink(missing_ok=True)


def forget_half_built(settings: Settings) -> None:
    """Remove Spark's tables, and what was noted of them, after a build that was killed.

    Everything is then out of date and built anew. Needs the lock.
    """
    if settings.warehouse.engine == "spark" and _mark(settings).exists():
        settings.warehouse_file.unlink(missing_ok=True)
        shutil.rmtree(settings.spark_folder)


def _mark(settings: Settings) -> Path:
    return settings.spark_folder / "building"
