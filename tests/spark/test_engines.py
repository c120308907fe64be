"""Every model, test and unit test of the dbt project on Spark, and its tables equal to DuckDB's."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from orchestration.lake import identifier, quoted
from orchestration.periods import Period
from orchestration.warehouse.lock import warehouse_connection
from orchestration.warehouse.published import publish, published_builds, read_published
from orchestration.warehouse.spark_tables import show_tables
from tests.independent.test_kpis import PERIODS, differences
from tests.object_storage import bucket
from tests.spark.conftest import BothEngines
from tests.warehouse.small_lake import PSEUDONYMS, SmallLake

DAY = ("build", "--select", "tag:day", "--exclude-resource-type", "unit_test")


def compare(engines: BothEngines) -> dict[str, int]:
    """Rows of each table of the project; fails where the engines' rows or types differ."""
    return compare_tables("Spark", engines.spark, engines.duckdb)


def compare_tables(name: str, built: SmallLake, on_disk: SmallLake) -> dict[str, int]:
    """Rows of each table that DuckDB built from a lake on a disk; fails where those of another
    build, which is called by its name, differ in rows or types."""
    rows: dict[str, int] = {}
    faults: list[str] = []
    with warehouse_connection(built.settings) as connection:
        show_tables(built.settings, connection)
        file = quoted(str(on_disk.settings.warehouse_file))
        connection.execute(f"ATTACH {file} AS other (READ_ONLY)")
        tables = connection.execute(
            "SELECT table_name, estimated_size FROM duckdb_tables() "
            "WHERE database_name = 'other' AND schema_name = 'main' ORDER BY ALL"
        ).fetchall()
        shown = {found for (found, *_) in connection.execute("SHOW TABLES").fetchall()}
        for table, size in tables:
            if table not in shown:
                assert size == 0, f"{table}: {name} has none"
                rows[table] = 0
                continue
            columns = connection.execute(f"DESCRIBE other.main.{table}").fetchall()
            types = {name: kind for name, kind, *_ in columns}
            described = connection.execute(f"DESCRIBE main.{table}").fetchall()
            faults += [
                f"{table}.{column}: {types.get(column)} and {kind}"
                for column, kind, *_ in described
                if _plain(kind) != _plain(types.get(column, ""))
            ]
            listed = ", ".join(map(identifier, types))
            theirs, ours = (
                f"SELECT {listed} FROM {place}.{table}" for place in ("main", "other.main")
            )
            for whose, one, two in ((name, theirs, ours), ("DuckDB on disk", ours, theirs)):
                if only := _count(connection, f"{one} EXCEPT ALL {two}"):
                    faults.append(f"{table}: {only} rows of {whose} only")
            rows[table] = _count(connection, ours)
    assert not faults, "\n".join(faults)
    return rows


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
    assert row is not None
    return int(row[0])


def _plain(kind: str) -> str:
    """A type without the width of its sums: DuckDB sums into the widest."""
    if kind.startswith("DECIMAL"):
        return f"DECIMAL with {kind.partition(',')[2].strip(') ')} places"
    return kind


def test_every_table_equals_duckdbs(engines: BothEngines) -> None:
    rows = compare(engines)
    for grain in ("week", "month", "quarter"):
        assert rows[f"kpi_values__{grain}"] > 500
    print(f"\n{len(rows)} tables with {sum(rows.values())} rows are equal on DuckDB and Spark:")
    print("\n".join(f"  {table} {rows[table]}" for table in rows if table.startswith("kpi_")))
    if engines.cluster is not None:
        executors = engines.cluster.executors_by_worker()
        print(f"executors on the workers of {engines.cluster.url}: {executors}")
        assert len(executors) == 2 and all(executors)


def test_every_kpi_equals_the_reference(engines: BothEngines) -> None:
    found = list(differences(engines.spark, engines.organisation))
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:40])


def test_figures_are_published_alike(engines: BothEngines) -> None:
    """What pages are made from is the same rows, whichever engine built them."""
    period = Period.parse(PERIODS[-2])
    models = [
        f"{model}__{period.grain}" for model in ("kpi_values", "kpi_signals", "leader_indices")
    ]
    found = []
    for lake in (engines.duckdb, engines.spark):
        engine = lake.settings.warehouse.engine
        with warehouse_connection(lake.settings) as connection:
            show_tables(lake.settings, connection)
            publish(lake.lake, connection, period.grain, [(period, engine)], models, PSEUDONYMS)
        found.append([read_published(lake.lake, period.grain, model) for model in models])
        assert published_builds(lake.lake, period.grain) == {period.id: engine}
    assert found[0] == found[1]
    assert all(found[0])


def test_a_lake_in_object_storage_gives_the_same_tables(on_disk: SmallLake, tmp_path: Path) -> None:
    """DuckDB's models over the same lake, read through an S3 server."""
    with bucket() as url:
        there = on_disk.copied_to(f"{url}/lake", tmp_path / "home")
        there.build(*map(Period.parse, PERIODS))
        rows = compare_tables("object storage", there, on_disk)
    print(f"\n{len(rows)} tables with {sum(rows.values())} rows are equal over a disk and over S3")
    assert rows["kpi_values__month"] > 500


def test_late_rows_build_their_days_again(engines: BothEngines) -> None:
    """A day told again with fewer rows, and one that now has none; the others stay."""
    events = engines.organisation.feeds["activity"]
    days = sorted({event["occurred_at"][:10] for event in events})
    before = compare(engines)["fct_course_day"]
    engines.duckdb.events(
        "activity", days[3], [e for e in events if e["occurred_at"][:10] == days[3]][:1], 2
    )
    engines.duckdb.events("activity", days[5], [], 2)
    for lake in (engines.duckdb, engines.spark):
        lake.build(days=[date.fromisoformat(days[3]), date.fromisoformat(days[5])], command=DAY)
    after = compare(engines)["fct_course_day"]
    assert after < before
    assert engines.spark.query(
        f"SELECT count(*) FROM fct_course_day WHERE event_day = DATE '{days[5]}'"
    ) == [(0,)]
