"""Tested figures, published to the lake: the only thing that pages are made from.

``published/<grain>/<period_id>/<build_id>/<model>.parquet`` holds one model's rows of one period;
``published/index__<grain>.parquet`` names the build in force of each period and is the commit
point: a build that fails its tests, or a process that dies half-way, leaves the last good one.

Who did what is pseudonymous here: facts (``fct_``) and what they are made from (``int_``) hold a
keyed hash for a person's id. Ids, names and addresses stand only where a page or a letter needs
them: governance, named leaders, contacts, leaders' own records, the decision log. The warehouse
file itself is the builds' working store and leaves the machine with nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lake import Lake, identifier, quoted
from orchestration.periods import Grain, Period
from orchestration.pseudonyms import Pseudonyms
from orchestration.settings import FeedName

_INDEX = pa.schema(
    [("period_id", pa.string()), ("period_start", pa.date32()), ("build_id", pa.string())]
)
_AMOUNT = "DECIMAL(18,4)"
_SCRATCH = "publishing"
_MAPPED = f"{_SCRATCH}.main.persons"
_ROWS_AT_A_TIME = 2_000_000
"""As many rows as are held in memory, of all threads: some 200 bytes each."""
_LEVEL = 1
"""Of compression: pseudonyms are most of what is written, and larger where zstd tries harder."""
_Build = tuple[str, str]
"""A period's id and the id of its build in force."""
HISTORY_COLUMNS: dict[str, dict[str, str]] = {
    "kpi_values": {
        "period_start": "DATE",
        "period_end": "DATE",
        "kpi_id": "VARCHAR",
        "org_unit_id": "VARCHAR",
        "employment_line": "VARCHAR",
        "numerator": _AMOUNT,
        "denominator": _AMOUNT,
        "value": _AMOUNT,
        "lower": _AMOUNT,
        "upper": _AMOUNT,
        "target": _AMOUNT,
        "people": "BIGINT",
        "no_data_reason": "VARCHAR",
        "build_id": "VARCHAR",
    },
    "kpi_signals": {
        "period_start": "DATE",
        "kpi_id": "VARCHAR",
        "org_unit_id": "VARCHAR",
        "employment_line": "VARCHAR",
        "basis": "VARCHAR",
        "points": "BIGINT",
        "charted_value": _AMOUNT,
        "mean": _AMOUNT,
        "lower_limit": _AMOUNT,
        "upper_limit": _AMOUNT,
        "variation": "VARCHAR",
        "assurance": "VARCHAR",
        "rules": "VARCHAR",
        "rebased_on": "DATE",
        "build_id": "VARCHAR",
    },
}


def initialise_published(lake: Lake) -> None:
    """Lay the empty files that models read as history before anything was published."""
    with lake.connect() as connection:
        for grain in Grain:
            for model, columns in HISTORY_COLUMNS.items():
                place = ("published", grain, "none", "none", f"{model}__{grain}.parquet")
                if not lake.exists(*place):
                    typed = ", ".join(f"CAST(NULL AS {t}) AS {c}" for c, t in columns.items())
                    lake.write_parquet(connection, f"SELECT {typed} WHERE false", *place)
            if not lake.exists("published", f"index__{grain}.parquet"):
                _write_index(lake, grain, {})


def published_builds(lake: Lake, grain: Grain) -> dict[str, str]:
    """The build in force of each published period: period id -> build id, in order."""
    if not lake.exists("published", f"index__{grain}.parquet"):
        return {}
    rows = lake.read_rows("published", f"index__{grain}.parquet")
    return {
        row["period_id"]: row["build_id"]
        for row in sorted(rows, key=lambda row: row["period_start"])
    }


BUILD = "build.json"


@dataclass(frozen=True)
class PublishedFigures:
    """What a period's build in force says of itself.

    Attributes:
        levels: hash over its KPI values; None in a build of an older version.
        history: hash over the levels of the periods before, as its marks were made with.
        arrivals: of each feed, the newest arrival that it was made with.
    """

    levels: str | None
    history: str | None
    arrivals: Mapping[FeedName, int]


def figures_in_force(lake: Lake, grain: Grain) -> dict[str, PublishedFigures]:
    """Of each published period, what its build says of itself."""
    return {
        period_id: _figures_of(lake, grain, period_id, build_id)
        for period_id, build_id in published_builds(lake, grain).items()
    }


def _figures_of(lake: Lake, grain: Grain, period_id: str, build_id: str) -> PublishedFigures:
    place = ("published", grain, period_id, build_id, BUILD)
    said = lake.read_json(*place) if lake.exists(*place) else {}
    return PublishedFigures(said.get("levels"), said.get("history"), said.get("arrivals", {}))


def raw_state_of(lake: Lake, period: Period) -> str | None:
    """Hash of the raw data that a period's build in force stands on; None where it tells none."""
    build = published_builds(lake, period.grain).get(period.id)
    place = ("published", period.grain.value, period.id, str(build), BUILD)
    return lake.read_json(*place).get("raw_state_hash") if lake.exists(*place) else None


def history_hash(figures: Mapping[str, PublishedFigures], period: Period) -> str:
    """One hash over the levels of every period before this one."""
    before = {name: f.levels for name, f in figures.items() if Period.parse(name) < period}
    return hashlib.sha256(json.dumps(before, sort_keys=True).encode()).hexdigest()


def publish(
    lake: Lake,
    warehouse: duckdb.DuckDBPyConnection,
    grain: Grain,
    builds: Sequence[tuple[Period, str]],
    models: Sequence[str],
    pseudonyms: Pseudonyms,
) -> dict[str, int]:
    """Copy the tested rows of each period from the warehouse and put them in force together.

    Args:
        warehouse: a connection that keeps rows in order, as DuckDB's do by default.
        builds: each period with the id of the build it now gets.
        models: tables of the warehouse with a ``period_start`` column.
        pseudonyms: what facts hold for persons.

    Returns:
        Rows published of each model.
    """
    lake.attach(warehouse)
    # beside the warehouse, so that its file never holds it, and seen by every cursor
    warehouse.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {_SCRATCH}")
    try:
        columns = {model: _columns(warehouse, model) for model in models}
        counted = {model: _counted(warehouse, model) for model in models}
        _map_persons(warehouse, columns, pseudonyms)
        _write_models(lake, warehouse, grain, builds, columns, counted)
    finally:
        warehouse.execute(f"DETACH {_SCRATCH}")
    index = published_builds(lake, grain)
    superseded = {
        period.id: index[period.id]
        for period, build_id in builds
        if index.get(period.id, build_id) != build_id
    }
    index.update({period.id: build_id for period, build_id in builds})
    _write_index(lake, grain, index)
    for period_id, build_id in superseded.items():
        lake.remove("published", grain, period_id, build_id)
    return {
        model: sum(rows.get(period.start, 0) for period, _ in builds)
        for model, rows in counted.items()
    }


def _write_models(
    lake: Lake,
    warehouse: duckdb.DuckDBPyConnection,
    grain: Grain,
    builds: Sequence[tuple[Period, str]],
    columns: Mapping[str, Sequence[str]],
    counted: Mapping[str, Mapping[date, int]],
) -> None:
    """Lay the file of each model of each period; as many at a time as the engine has threads.

    The rows of one file rarely keep more than one thread of the engine busy. Those of several
    periods are read, joined and sorted together, which costs less than to do it for each.
    """
    found = warehouse.execute("SELECT current_setting('threads')").fetchone()
    hands = int(found[0]) if found else 1
    batches = [
        (model, batch)
        for model in columns
        for batch in _batches(builds, counted[model], _ROWS_AT_A_TIME // hands)
    ]

    def write(part: Sequence[tuple[str, Sequence[tuple[Period, str]]]]) -> None:
        for model, batch in part:
            with warehouse.cursor() as cursor:
                cursor.execute("SET TimeZone = 'UTC'")
                cursor.execute(_laid_out(model, columns, [period for period, _ in batch]))
                # a row of nulls: which columns a file declares free of them, and so its bytes,
                # does not hang on the other periods of the batch
                cursor.execute("INSERT INTO batch DEFAULT VALUES")
                for period, build_id in batch:
                    lake.write_parquet(
                        cursor,
                        f"SELECT *, CAST({quoted(build_id)} AS VARCHAR) AS build_id "
                        f"FROM batch WHERE period_start = DATE '{period.start}'",
                        "published",
                        grain,
                        period.id,
                        build_id,
                        f"{model}.parquet",
                        level=_LEVEL,
                    )

    with ThreadPoolExecutor(hands) as pool:
        for done in [pool.submit(write, batches[number::hands]) for number in range(hands)]:
            done.result()


def _batches(
    builds: Sequence[tuple[Period, str]], counted: Mapping[date, int], limit: int
) -> Iterator[list[tuple[Period, str]]]:
    """Runs of periods that have ``limit`` rows at most, or one period that has more."""
    batch: list[tuple[Period, str]] = []
    rows = 0
    for period, build_id in builds:
        more = counted.get(period.start, 0)
        if batch and rows + more > limit:
            yield batch
            batch, rows = [], 0
        batch.append((period, build_id))
        rows += more
    if batch:
        yield batch


def _laid_out(model: str, columns: Mapping[str, Sequence[str]], periods: Sequence[Period]) -> str:
    """The statement that lays the rows of some periods into a table, as they are published."""
    mapped = {column: f"m{number}" for number, column in enumerate(_persons(model, columns))}
    listed = ", ".join(
        f"{mapped[column]}.pseudonym AS {column}" if column in mapped else f"t.{column}"
        for column in columns[model]
    )
    joins = " ".join(
        f"LEFT JOIN {_MAPPED} AS {m} ON {m}.person_id = CAST(t.{column} AS VARCHAR)"
        for column, m in mapped.items()
    )
    starts = ", ".join(f"DATE '{period.start}'" for period in periods)
    return (
        f"CREATE TEMP TABLE batch AS SELECT {listed} FROM main.{identifier(model)} AS t {joins} "
        # all columns, so that the same rows always give the same bytes
        f"WHERE t.period_start IN ({starts}) ORDER BY ALL"
    )


def _counted(warehouse: duckdb.DuckDBPyConnection, model: str) -> dict[date, int]:
    """Rows of a model by the start of their period."""
    return dict(
        warehouse.execute(
            f"SELECT period_start, count(*) FROM main.{identifier(model)} GROUP BY period_start"
        ).fetchall()
    )


def _columns(warehouse: duckdb.DuckDBPyConnection, model: str) -> list[str]:
    described = warehouse.execute(f"DESCRIBE main.{identifier(model)}").fetchall()
    return [identifier(str(column[0])) for column in described]


def _persons(model: str, columns: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns of a fact that hold persons."""
    if not model.startswith(("fct_", "int_")):
        return []
    return [c for c in columns[model] if c.strip('"').endswith(("person_id", "manager_id"))]


def _map_persons(
    warehouse: duckdb.DuckDBPyConnection,
    columns: Mapping[str, Sequence[str]],
    pseudonyms: Pseudonyms,
) -> None:
    """The table of everybody in the facts and their pseudonym: each is hashed once."""
    ids = " UNION ".join(
        f"SELECT DISTINCT CAST({column} AS VARCHAR) AS person_id FROM main.{identifier(model)}"
        for model in columns
        for column in _persons(model, columns)
    )
    warehouse.execute(
        f"CREATE OR REPLACE TABLE {_MAPPED} AS SELECT person_id, "
        f"{pseudonyms.sql('person_id')} AS pseudonym "
        f"FROM ({ids or 'SELECT NULL::VARCHAR AS person_id'}) WHERE person_id IS NOT NULL"
    )


def _write_index(lake: Lake, grain: Grain, builds: dict[str, str]) -> None:
    rows = [
        {"period_id": period_id, "period_start": Period.parse(period_id).start, "build_id": build}
        for period_id, build in sorted(builds.items())
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=_INDEX), sink)
    lake.write_bytes(sink.getvalue().to_pybytes(), "published", f"index__{grain}.parquet")


class PublishedRows:
    """Published figures as one run over many periods reads them: every file once.

    The engine holds the rows of a file for as long as the periods that are read of its model
    include the file's own: a window that slides over a range reads a file when it comes to it,
    and lets it go when it has passed.

    Attributes:
        lake: the lake that is read.
        connection: the one connection over which it is.
    """

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.connection = lake.connect()
        self._held: dict[tuple[Grain, str], dict[_Build, str | None]] = {}
        self._figures: dict[tuple[Grain, _Build], PublishedFigures] = {}
        self._tables = 0

    def __enter__(self) -> PublishedRows:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def read(
        self,
        grain: Grain,
        model: str,
        builds: Mapping[str, str],
        condition: str = "true",
    ) -> list[dict[str, Any]]:
        """The rows of one published model, ordered by all their columns.

        A column that only some of the files have is None in the rows of the others.

        Args:
            model: the model's name without its grain, such as ``kpi_values``.
            builds: period id -> build id of what is read. A model that a build did not publish
                gives no rows.
            condition: SQL over the model's columns; all rows read are to be had as ``published``.
        """
        name = f"{model}__{grain}"
        held = self._held.setdefault((grain, name), {})
        wanted = list(builds.items())
        for passed in held.keys() - set(wanted):
            if table := held.pop(passed):
                self.connection.execute(f"DROP TABLE {table}")
        for build in wanted:
            if build not in held:
                held[build] = self._hold(grain, name, build)
        tables = [table for build in wanted if (table := held[build])]
        if not tables:
            return []
        together = " UNION ALL BY NAME ".join(f"FROM {table}" for table in tables)
        found = self.connection.execute(
            f"WITH published AS ({together}) FROM published WHERE {condition} ORDER BY ALL"
        )
        return _as_dicts(found)

    def of_period(self, period: Period, model: str) -> list[dict[str, Any]]:
        """The rows of one model of one period, as :meth:`read` gives them."""
        builds = published_builds(self.lake, period.grain)
        own = {period.id: builds[period.id]} if period.id in builds else {}
        return self.read(period.grain, model, own)

    def _hold(self, grain: Grain, name: str, build: _Build) -> str | None:
        """The table with a file's rows; None where the build has no such file."""
        place = ("published", grain, *build, f"{name}.parquet")
        if not self.lake.exists(*place):
            return None
        self._tables += 1
        table = f"held_{self._tables}"
        self.connection.execute(
            f"CREATE TABLE {table} AS SELECT * EXCLUDE (build_id) "
            f"FROM read_parquet({quoted(self.lake.path(*place))})"
        )
        return table

    def figures(self, grain: Grain) -> dict[str, PublishedFigures]:
        """As :func:`figures_in_force`; what a build says is read once."""
        found = {}
        for build in published_builds(self.lake, grain).items():
            key = (grain, build)
            if key not in self._figures:
                self._figures[key] = _figures_of(self.lake, grain, *build)
            found[build[0]] = self._figures[key]
        return found


def read_published(
    lake: Lake, grain: Grain, model: str, *, period_ids: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """The rows of one published model, of the builds in force.

    Args:
        model: the model's full name, such as ``kpi_values__month``.
        period_ids: only these periods; all when None. Periods not published give no rows.
    """
    files = [
        lake.path("published", grain, period_id, build_id, f"{model}.parquet")
        for period_id, build_id in published_builds(lake, grain).items()
        if (period_ids is None or period_id in period_ids)
        and lake.exists("published", grain, period_id, build_id, f"{model}.parquet")
    ]
    if not files:
        return []
    with lake.connect() as connection:
        listed = ", ".join(quoted(file) for file in files)
        return _as_dicts(
            connection.execute(
                "SELECT * EXCLUDE (build_id) "
                f"FROM read_parquet([{listed}], union_by_name = true) ORDER BY ALL"
            )
        )


def _as_dicts(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
