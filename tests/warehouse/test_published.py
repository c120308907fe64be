"""Publication: the index is the commit point; a build replaces a period's rows whole."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.warehouse import published
from orchestration.warehouse.published import (
    HISTORY_COLUMNS,
    initialise_published,
    publish,
    published_builds,
    read_published,
)
from tests.warehouse.small_lake import PSEUDONYMS

MONTHS = [Period.parse("2026-09"), Period.parse("2026-10")]
MODEL = "kpi_values__month"


def _warehouse(value: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    columns = ", ".join(f"{c} {t}" for c, t in HISTORY_COLUMNS["kpi_values"].items())
    connection.execute(f"CREATE TABLE {MODEL} ({columns})")
    connection.execute(f"ALTER TABLE {MODEL} DROP COLUMN build_id")
    for month in MONTHS:
        connection.execute(
            f"INSERT INTO {MODEL} (period_start, kpi_id, value) VALUES (?, 'k', ?)",
            [month.start, Decimal(value)],
        )
    return connection


def _values(lake: Lake) -> dict[date, Decimal]:
    return {row["period_start"]: row["value"] for row in read_published(lake, Grain.MONTH, MODEL)}


def test_nothing_published_reads_as_no_rows(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    assert published_builds(lake, Grain.MONTH) == {}
    assert read_published(lake, Grain.MONTH, MODEL) == []


def test_a_new_build_of_one_period_leaves_the_other(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    publish(lake, _warehouse("1.5"), Grain.MONTH, [(m, "one") for m in MONTHS], [MODEL], PSEUDONYMS)
    assert _values(lake) == {MONTHS[0].start: Decimal("1.5"), MONTHS[1].start: Decimal("1.5")}
    rows = publish(lake, _warehouse("2.5"), Grain.MONTH, [(MONTHS[1], "two")], [MODEL], PSEUDONYMS)
    assert rows == {MODEL: 1}
    assert _values(lake) == {MONTHS[0].start: Decimal("1.5"), MONTHS[1].start: Decimal("2.5")}
    assert published_builds(lake, Grain.MONTH) == {"2026-09": "one", "2026-10": "two"}
    assert not lake.exists("published", "month", "2026-10", "one")


def test_a_death_before_the_index_leaves_the_last_good_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    publish(lake, _warehouse("1.5"), Grain.MONTH, [(m, "one") for m in MONTHS], [MODEL], PSEUDONYMS)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(published, "_write_index", die)
        with pytest.raises(KeyboardInterrupt):
            publish(
                lake,
                _warehouse("9"),
                Grain.MONTH,
                [(m, "bad") for m in MONTHS],
                [MODEL],
                PSEUDONYMS,
            )
    assert set(_values(lake).values()) == {Decimal("1.5")}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        lake = Lake(str(tmp_path / name))
        initialise_published(lake)
        publish(lake, _warehouse("3"), Grain.MONTH, [(MONTHS[0], "x")], [MODEL], PSEUDONYMS)
        file = tmp_path / name / "published" / "month" / "2026-09" / "x" / f"{MODEL}.parquet"
        contents.append(file.read_bytes())
    assert contents[0] == contents[1]


FACT = "fct_active_learners__month"
MANY = 200_000


def _facts(months: list[Period], order: str) -> duckdb.DuckDBPyConnection:
    """Facts of as many persons as need more than one row group; September lacks no unit."""
    connection = duckdb.connect()
    starts = ", ".join(f"(DATE '{month.start}')" for month in months)
    connection.execute(
        f"CREATE TABLE {FACT} AS SELECT period_start, 'p' || number AS person_id, "
        "CASE WHEN period_start < DATE '2026-10-01' OR number % 3 > 0 THEN number % 7 END AS unit "
        f"FROM (VALUES {starts}) AS months (period_start), range({MANY}) AS people (number) "
        f"ORDER BY {order}"
    )
    return connection


@pytest.mark.parametrize("at_a_time", [1, MANY, 100 * MANY])
def test_the_bytes_of_a_period_hang_on_its_rows_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    monkeypatch.setattr(published, "_ROWS_AT_A_TIME", at_a_time)
    place = Path("published") / "month" / "2026-09" / "x" / f"{FACT}.parquet"
    contents = {}
    for name, months, order in (
        ("together", MONTHS, "number, period_start"),
        ("alone", MONTHS[:1], "hash(number)"),
    ):
        lake = Lake(str(tmp_path / name))
        initialise_published(lake)
        builds = [(month, "x") for month in months]
        rows = publish(lake, _facts(months, order), Grain.MONTH, builds, [FACT], PSEUDONYMS)
        assert rows == {FACT: MANY * len(months)}
        contents[name] = (tmp_path / name / place).read_bytes()
    assert contents["together"] == contents["alone"]
    written = duckdb.sql(
        f"SELECT person_id, unit FROM '{tmp_path / 'together' / place}'"
    ).fetchall()
    assert written == sorted((PSEUDONYMS.of(f"p{n}"), n % 7) for n in range(MANY))


def test_a_lake_behind_a_url_works_the_same() -> None:
    lake = Lake("memory://published-test")
    initialise_published(lake)
    publish(lake, _warehouse("4"), Grain.MONTH, [(MONTHS[0], "x")], [MODEL], PSEUDONYMS)
    assert _values(lake) == {MONTHS[0].start: Decimal("4")}


def test_facts_hold_pseudonyms_and_what_letters_need_holds_ids(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    warehouse = duckdb.connect()
    rows = {
        "int_population__month": "'p1' AS person_id, 'boss' AS manager_id",
        "fct_active_learners__month": "'p1' AS person_id, 3 AS events",
        "fct_commitments__month": "'boss' AS owner_person_id, 'c1' AS entry_id",
        "contacts__month": "'boss' AS person_id, 'Ada Byron' AS full_name",
    }
    for model, columns in rows.items():
        warehouse.execute(
            f"CREATE TABLE {model} AS SELECT DATE '2026-10-01' AS period_start, {columns} "
            "UNION ALL SELECT DATE '2026-10-01', NULL, NULL"
        )
    publish(lake, warehouse, Grain.MONTH, [(MONTHS[1], "one")], [*rows], PSEUDONYMS)
    found = {
        model: [
            tuple(v for k, v in row.items() if k != "period_start")
            for row in read_published(lake, Grain.MONTH, model)
        ]
        for model in rows
    }
    one, boss = PSEUDONYMS.of("p1"), PSEUDONYMS.of("boss")
    assert found == {
        "int_population__month": [(one, boss), (None, None)],
        "fct_active_learners__month": [(one, 3), (None, None)],
        "fct_commitments__month": [(boss, "c1"), (None, None)],
        "contacts__month": [("boss", "Ada Byron"), (None, None)],
    }
