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
    PublishedRows,
    figures_in_force,
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


def test_a_reader_keeps_the_files_of_its_window_and_reads_a_new_build(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    one = [(month, "one") for month in MONTHS]
    publish(lake, _warehouse("1.5"), Grain.MONTH, one, [MODEL], PSEUDONYMS)
    files = {m: Path(lake.path("published", "month", m.id, "one")) for m in MONTHS}
    september, october = ({month.id: "one"} for month in MONTHS)
    whole = read_published(lake, Grain.MONTH, MODEL)
    with PublishedRows(lake) as rows:

        def values(builds: dict[str, str], condition: str = "true") -> list[Decimal]:
            found = rows.read(Grain.MONTH, "kpi_values", builds, condition)
            return [row["value"] for row in found]

        assert rows.read(Grain.MONTH, "kpi_values", september | october) == whole
        assert rows.read(Grain.MONTH, "kpi_signals", september | october) == []
        for folder in files.values():  # who reads again finds nothing
            (folder / f"{MODEL}.parquet").unlink()
        assert values(september | october) == [Decimal("1.5")] * 2
        assert values(october, "kpi_id = 'other'") == []
        newest = "period_start = (SELECT max(period_start) FROM published)"
        assert values(october, newest) == [Decimal("1.5")]
        assert values(september | october) == [Decimal("1.5")]  # September was let go

        publish(lake, _warehouse("2.5"), Grain.MONTH, [(MONTHS[1], "two")], [MODEL], PSEUDONYMS)
        assert [row["value"] for row in rows.of_period(MONTHS[1], "kpi_values")] == [2.5]
        assert rows.of_period(MONTHS[0].shift(-1), "kpi_values") == []


def test_a_column_that_only_some_files_have_is_empty_in_the_others(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    publish(lake, _warehouse("1"), Grain.MONTH, [(MONTHS[0], "x")], [MODEL], PSEUDONYMS)
    newer = _warehouse("2")
    newer.execute(f"ALTER TABLE {MODEL} ADD COLUMN spread INTEGER DEFAULT 7")
    publish(lake, newer, Grain.MONTH, [(MONTHS[1], "y")], [MODEL], PSEUDONYMS)
    with PublishedRows(lake) as rows:
        found = rows.read(Grain.MONTH, "kpi_values", published_builds(lake, Grain.MONTH))
        alone = rows.of_period(MONTHS[0], "kpi_values")
    assert [(row["value"], row["spread"]) for row in found] == [(1, None), (2, 7)]
    assert found == read_published(lake, Grain.MONTH, MODEL)
    assert [*found[0]] == [*read_published(lake, Grain.MONTH, MODEL)[0]]
    assert "spread" not in alone[0]


def test_a_reader_reads_what_a_build_says_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    initialise_published(lake)
    one = [(month, "one") for month in MONTHS]
    publish(lake, _warehouse("1"), Grain.MONTH, one, [MODEL], PSEUDONYMS)
    place = ("published", "month", MONTHS[0].id, "one", published.BUILD)
    lake.write_json({"levels": "abc"}, *place)
    with PublishedRows(lake) as rows:
        found = rows.figures(Grain.MONTH)
        assert found == figures_in_force(lake, Grain.MONTH)
        assert [each.levels for each in found.values()] == ["abc", None]
        lake.remove(*place)
        assert rows.figures(Grain.MONTH) == found


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
