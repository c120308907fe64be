"""False alarms and planted failures: ``python tests/benchmarks/false_alarms.py``.

Draws N seeded small organisations in which nothing is amiss and counts the early warnings of every
week since launch: each is a false alarm. Then draws organisations with one planted failure each and
counts in how many it is found, and with which delay. Last, organisations whose leaders move
learning and others whose leaders do not: in how many the chart of voluntary active learners says,
a year after launch, that it improved. Prints tables; writes them as JSON with ``--json FILE``.

It is the shipped SQL that runs: dbt compiles the models once, and for each organisation DuckDB
executes what dbt would, in dbt's order, over the simulator's tables in place of the lake.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from graphlib import TopologicalSorter
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from orchestration.feeds.contract import CONTRACT  # noqa: E402
from orchestration.periods import Grain, Period, periods_between  # noqa: E402
from orchestration.sample import content  # noqa: E402
from orchestration.sample.activity import ActivityStream  # noqa: E402
from orchestration.sample.charter import charter_files  # noqa: E402
from orchestration.sample.files import clock_of  # noqa: E402
from orchestration.sample.learning import day_of  # noqa: E402
from orchestration.sample.messages import messages  # noqa: E402
from orchestration.sample.organisation import UNSET, Organisation, to_day  # noqa: E402
from orchestration.sample.parameters import PlantedEffects, SampleParameters  # noqa: E402
from orchestration.sample.simulation import draw  # noqa: E402
from orchestration.sample.tables import contract_tables  # noqa: E402
from orchestration.settings import OrganisationSettings, PathSettings, Settings  # noqa: E402
from orchestration.warehouse.assets import initialise_lake  # noqa: E402
from orchestration.warehouse.charter import SEEDS, assemble_charter, read_seed  # noqa: E402
from orchestration.warehouse.control import write_periods  # noqa: E402
from orchestration.warehouse.project import (  # noqa: E402
    DBT_PROJECT,
    dbt_environment,
    dbt_executable,
    target_folder,
)

LAST_MONTH = Period.parse("2026-06")
NOTHING_AMISS = PlantedEffects.none()
LEADER_EFFECT = NOTHING_AMISS.leader_effect
PLANTED_SEED = 10_000
"""Organisations with a planted failure are others than those without."""


@dataclass(frozen=True)
class Planted:
    """A kind of planted failure and the warnings that find it.

    Attributes:
        units: where it is planted; the warning has to name one of them.
        since: first day of the failure.
    """

    effects: PlantedEffects
    found_by: tuple[str, ...]
    units: tuple[str, ...]
    since: Callable[[SampleParameters], date]


WHOLE = "MF"


def _division(number: int) -> str:
    return content.DIVISIONS[number].code


def _weeks_before_the_end(weeks: int) -> Callable[[SampleParameters], date]:
    return lambda parameters: parameters.last_day - timedelta(weeks=weeks)


PLANTED: Mapping[str, Planted] = {
    "absent sponsor": Planted(
        replace(NOTHING_AMISS, absent_sponsor=True),
        ("sponsor_silent_3", "sponsor_silent_4", "sponsor_silent_6"),
        (_division(content.ABSENT),),
        lambda parameters: parameters.silent_from or parameters.last_day,
    ),
    "stale message": Planted(
        replace(NOTHING_AMISS, stale_message=True),
        ("old_message", "two_messages"),
        (WHOLE,),
        _weeks_before_the_end(9),
    ),
    "weak cascade": Planted(
        replace(NOTHING_AMISS, weak_cascade=True),
        ("weak_cascade",),
        (WHOLE, *(division.code for division in content.DIVISIONS)),
        lambda parameters: messages(parameters)[-1].issued_on,
    ),
    "one function alone": Planted(
        replace(NOTHING_AMISS, delegated_to_one_function=True),
        ("one_function",),
        (WHOLE, *(division.code for division in content.DIVISIONS)),
        lambda parameters: parameters.delegated_from or parameters.last_day,
    ),
    "competing work": Planted(
        replace(NOTHING_AMISS, competing_priorities=True),
        ("competing_initiative",),
        (_division(content.COMPETING),),
        _weeks_before_the_end(11),
    ),
    "launches at once": Planted(
        replace(NOTHING_AMISS, mandatory_launches=True),
        ("mandatory_launches", "mandatory_hours"),
        (WHOLE, *(division.code for division in content.DIVISIONS)),
        _weeks_before_the_end(5),
    ),
}


@dataclass(frozen=True)
class Warned:
    """One early warning of one week."""

    week: date
    warning_id: str
    org_unit_id: str
    entry_id: str


@dataclass(frozen=True)
class Model:
    """A dbt model as dbt would run it: its name, how it is kept and its compiled SQL."""

    name: str
    kind: str
    sql: str


@dataclass(frozen=True)
class Shipped:
    """The project compiled for some models.

    Attributes:
        models: what is run, in order.
        seeds: column types of the charter's tables, by name.
        shipped_seeds: rows of the shipped ones.
        tables: columns of the lake's source tables, by name.
    """

    models: list[Model]
    seeds: dict[str, dict[str, str]]
    shipped_seeds: dict[str, list[dict[str, str]]]
    tables: dict[str, dict[str, str]]


def compile_project(home: Path, targets: Sequence[str], periods: Iterable[Period]) -> Shipped:
    """Let dbt compile the models that ``targets`` need, for these periods.

    Args:
        home: an empty folder; what is compiled reads its control tables, so it must stay.
    """
    settings = Settings(
        organisation=OrganisationSettings(name="Sample", time_zone="Europe/London"),
        paths=PathSettings(home=home),
    )
    lake = initialise_lake(settings)
    periods = list(periods)
    for grain in Grain:
        write_periods(lake, grain, [p for p in periods if p.grain is grain])
    charter = assemble_charter(settings)
    settings.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
    # models are compiled with the charter's verbs written into them
    for command in (
        ("seed", "--select", "learning_verbs"),
        ("compile", "--select", *(f"+{target}" for target in targets)),
    ):
        done = subprocess.run(
            [dbt_executable(), "--quiet", *command, "--project-dir", str(DBT_PROJECT)],
            env={**os.environ, **dbt_environment(settings)},
            cwd=DBT_PROJECT,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
    manifest = json.loads((target_folder(settings) / "manifest.json").read_text())
    nodes = manifest["nodes"]
    seeds = {node["name"]: node for node in nodes.values() if node["resource_type"] == "seed"}
    wanted = _upstream(nodes, targets)
    return Shipped(
        models=[
            Model(
                nodes[key]["name"],
                nodes[key]["config"]["materialized"],
                _own_tables(nodes[key]["compiled_code"], manifest),
            )
            for key in wanted
            if nodes[key]["resource_type"] == "model"
        ],
        seeds={name: node["config"]["column_types"] for name, node in seeds.items()},
        shipped_seeds={
            name: [row for _, row in read_seed(name, charter / f"{name}.csv")] for name in SEEDS
        },
        tables=_source_tables(),
    )


def _upstream(nodes: Mapping[str, Any], targets: Sequence[str]) -> list[str]:
    """The targets and all they stand on, parents first."""
    parents = {
        key: [parent for parent in node["depends_on"]["nodes"] if parent in nodes]
        for key, node in nodes.items()
        if node["resource_type"] == "model"
    }
    needed: set[str] = set()
    waiting = [key for key in parents if nodes[key]["name"] in targets]
    while waiting:
        key = waiting.pop()
        if key not in needed:
            needed.add(key)
            waiting += [parent for parent in parents[key] if parent in parents]
    order = TopologicalSorter({key: [p for p in parents[key] if p in needed] for key in needed})
    return list(order.static_order())


def _own_tables(sql: str, manifest: Mapping[str, Any]) -> str:
    """Compiled SQL that reads the tables of one connection in place of warehouse and lake."""
    for source in manifest["sources"].values():
        if source["source_name"] == "lake":
            sql = sql.replace(source["relation_name"], source["name"])
    for node in manifest["nodes"].values():
        if node.get("relation_name"):
            database = f'"{node["database"]}"."{node["schema"]}".'
            return sql.replace(database, "")
    return sql


def _source_tables() -> dict[str, dict[str, str]]:
    """Columns of the lake's tables, empty until an organisation fills them."""
    tables: dict[str, dict[str, str]] = {}
    for feed, table in CONTRACT.items():
        columns = {column.name: column.sql_type for column in table.columns}
        if table.kind == "snapshot":
            tables[f"versions_{feed}"] = {**columns, "valid_from": "DATE", "valid_to": "DATE"}
        else:
            tables[f"raw_{feed}"] = {**columns, "delivery_id": "VARCHAR"}
        tables[f"in_force_{feed}"] = {
            "delivery_id": "VARCHAR",
            "delivery_date": "DATE",
            "newest_on": "DATE",
        }
    tables["raw_activity"]["event_day"] = "DATE"
    return tables


def figures_of(
    shipped: Shipped, organisation: Organisation, query: str, *, with_activity: bool = False
) -> list[tuple[Any, ...]]:
    """Run the shipped models over one organisation and read rows of them.

    Args:
        with_activity: whether the models need the feed ``activity``, much the largest.
    """
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # the tables are what is read
        _load_feeds(connection, shipped, organisation)
        if with_activity:
            _load_activity(connection, organisation)
        _load_charter(connection, shipped, organisation)
        for model in shipped.models:
            kind = "VIEW" if model.kind == "view" else "TABLE"
            connection.execute(f'CREATE {kind} "{model.name}" AS {model.sql}')
        return connection.execute(query).fetchall()


def _load_feeds(
    connection: duckdb.DuckDBPyConnection, shipped: Shipped, organisation: Organisation
) -> None:
    """The simulator's tables, each as one delivery the day after the last."""
    last = organisation.parameters.last_day
    delivered = last + timedelta(days=1)
    for name, columns in shipped.tables.items():
        typed = ", ".join(f'"{column}" {sql_type}' for column, sql_type in columns.items())
        connection.execute(f"CREATE TABLE {name} ({typed})")
    for feed, table in contract_tables(organisation).items():
        kind = "versions" if CONTRACT[feed].kind == "snapshot" else "raw"
        if kind == "raw":
            table = table.append_column("delivery_id", pa.array(["1"] * table.num_rows))
        connection.register("given", table)
        connection.execute(f"INSERT INTO {kind}_{feed} BY NAME SELECT * FROM given")
        connection.unregister("given")
        connection.execute(f"INSERT INTO in_force_{feed} VALUES ('1', ?, ?)", [delivered, last])


def _load_activity(connection: duckdb.DuckDBPyConnection, organisation: Organisation) -> None:
    """Everything that people do, as one delivery a month."""
    clock, stream = clock_of(organisation), ActivityStream(organisation)
    person = organisation.people["person_id"]
    codes = np.array([course.code for course in content.COURSES])
    for month in organisation.parameters.calendar:
        delivered = month.end + timedelta(days=1)
        for chunk in stream.days(to_day(month.start), to_day(month.end)):
            table = pa.table(
                {
                    "event_id": pa.array(chunk["number"]).cast(pa.string()),
                    "person_id": person[chunk["person"]],
                    "course_id": pa.array(codes[chunk["course"]], mask=chunk["course"] == UNSET),
                    "verb": np.array(content.VERBS)[chunk["verb"]],
                    "occurred_at": pa.array(clock.utc(chunk["at"]), pa.timestamp("s", "UTC")),
                    "duration_seconds": pa.array(chunk["seconds"], mask=chunk["seconds"] == UNSET),
                    "delivery_id": pa.array([month.id] * len(chunk["at"])),
                    "event_day": pa.array(day_of(chunk["at"]).astype(np.int32), pa.date32()),
                }
            )
            connection.register("given", table)
            connection.execute("INSERT INTO raw_activity BY NAME SELECT * FROM given")
            connection.unregister("given")
        connection.execute(
            "INSERT INTO in_force_activity VALUES (?, ?, ?)", [month.id, delivered, month.end]
        )


def _load_charter(
    connection: duckdb.DuckDBPyConnection, shipped: Shipped, organisation: Organisation
) -> None:
    """The shipped charter under the organisation's own files."""
    own = {
        name.removesuffix(".csv"): list(csv.DictReader(io.StringIO(text)))
        for name, text in charter_files(organisation).items()
    }
    for name, types in shipped.seeds.items():
        rows = own.get(name, shipped.shipped_seeds[name])
        cells = {column: [row.get(column) or None for row in rows] for column in types}
        connection.register(
            "given", pa.table(cells, schema=pa.schema([(column, pa.string()) for column in types]))
        )
        typed = ", ".join(f'CAST("{c}" AS {sql_type}) AS "{c}"' for c, sql_type in types.items())
        connection.execute(f'CREATE TABLE "{name}" AS SELECT {typed} FROM given')
        connection.unregister("given")


# ---------------------------------------------------------------- counting


EARLY_WARNINGS = ("early_warnings__week",)
WARNINGS = "SELECT period_start, warning_id, org_unit_id, entry_id FROM early_warnings__week"


def parameters_of(seed: int, effects: PlantedEffects = NOTHING_AMISS) -> SampleParameters:
    """A small organisation in the year around its launch."""
    return SampleParameters(
        people=90, months=18, seed=seed, last_month=LAST_MONTH, recent_weeks=26, effects=effects
    )


def weeks_since_launch() -> list[Period]:
    """Every whole week that is looked at; the launch does not depend on the seed."""
    parameters = parameters_of(0)
    weeks = periods_between(Grain.WEEK, parameters.launch_on, parameters.last_day)
    return [week for week in weeks if week.end <= parameters.last_day]


def warnings_of(shipped: Shipped, parameters: SampleParameters) -> list[Warned]:
    """The early warnings of every week since launch of one organisation."""
    return [Warned(*row) for row in figures_of(shipped, draw(parameters), WARNINGS)]


@dataclass
class FalseAlarms:
    """Warnings where nothing is amiss.

    Attributes:
        entries: distinct entries of the action log, by warning.
        weeks: weeks in which the warning stood, summed over the organisations.
        organisations: organisations that had it at all.
    """

    of_organisations: int
    of_weeks: int
    entries: Counter[str] = field(default_factory=Counter)
    weeks: Counter[str] = field(default_factory=Counter)
    organisations: Counter[str] = field(default_factory=Counter)

    def add(self, warnings: Sequence[Warned]) -> None:
        """Count one organisation."""
        self.entries.update(w for w, _ in {(w.warning_id, w.entry_id) for w in warnings})
        self.weeks.update(w for w, _ in {(w.warning_id, w.week) for w in warnings})
        self.organisations.update({w.warning_id for w in warnings})


@dataclass
class Found:
    """How many planted failures are found, and after how many weeks (median)."""

    of_organisations: int
    found: int = 0
    delays: list[int] = field(default_factory=list)

    @property
    def median_weeks(self) -> int | None:
        """Weeks from the first day of the failure to the end of the first week that warns."""
        return sorted(self.delays)[len(self.delays) // 2] if self.delays else None

    def add(self, planted: Planted, parameters: SampleParameters, warned: list[Warned]) -> None:
        """Count one organisation."""
        since = planted.since(parameters)
        hits = [
            w.week
            for w in warned
            if w.warning_id in planted.found_by
            and w.org_unit_id in planted.units
            and w.week + timedelta(days=6) >= since
        ]
        if hits:
            self.found += 1
            self.delays.append((min(hits) + timedelta(days=6) - since).days // 7)


# ---------------------------------------------------------------- leaders who move learning


SIGNALS = ("kpi_signals__month",)
IMPROVED = """
SELECT count(*)
FROM kpi_signals__month AS signals
INNER JOIN int_org_tree__month AS tree
    ON signals.period_start = tree.period_start
    AND signals.org_unit_id = tree.org_unit_id
    AND tree.depth = 0
WHERE signals.kpi_id = 'active_learner_rate'
    AND signals.employment_line = 'employee'
    AND signals.variation = 'improving'
    AND signals.period_start = (SELECT max(period_start) FROM stg_control__periods__month)
"""


def led(seed: int, leader_effect: float) -> SampleParameters:
    """An organisation of two years, a year of them with the programme."""
    return SampleParameters(
        people=250,
        months=24,
        seed=seed,
        last_month=LAST_MONTH,
        effects=replace(NOTHING_AMISS, leader_effect=leader_effect),
    )


def has_improved(shipped: Shipped, parameters: SampleParameters) -> bool:
    """Whether the chart of the whole says, in the last month, that voluntary learning improved."""
    ((signals,),) = figures_of(shipped, draw(parameters), IMPROVED, with_activity=True)
    return bool(signals)


# ---------------------------------------------------------------- measuring


_SHIPPED: dict[str, Shipped] = {}


def _start(shipped: dict[str, Shipped]) -> None:
    _SHIPPED.update(shipped)


def _warned(parameters: SampleParameters) -> list[Warned]:
    return warnings_of(_SHIPPED["warnings"], parameters)


def _improved(parameters: SampleParameters) -> bool:
    return has_improved(_SHIPPED["signals"], parameters)


def measure(organisations: int, planted: int, processes: int) -> dict[str, Any]:
    """Everything, as plain values.

    Args:
        organisations: how many in which nothing is amiss.
        planted: how many of each kind of planted failure, and with and without leaders who move
            learning.
    """
    started = time.perf_counter()
    weeks = weeks_since_launch()
    alarms = FalseAlarms(organisations, organisations * len(weeks))
    found = {name: Found(planted) for name in PLANTED}
    normal = [parameters_of(seed) for seed in range(1, organisations + 1)]
    failing = [
        (name, parameters_of(PLANTED_SEED + seed, kind.effects))
        for name, kind in PLANTED.items()
        for seed in range(planted)
    ]
    seeds = range(PLANTED_SEED, PLANTED_SEED + planted)
    with (
        tempfile.TemporaryDirectory(prefix="false-alarms-") as by_week,
        tempfile.TemporaryDirectory(prefix="false-alarms-") as by_month,
    ):
        shipped = {
            "warnings": compile_project(Path(by_week), EARLY_WARNINGS, weeks),
            "signals": compile_project(
                Path(by_month),
                SIGNALS,
                led(0, 0).calendar,
            ),
        }
        compiled = time.perf_counter() - started
        with ProcessPoolExecutor(processes, get_context("spawn"), _start, (shipped,)) as pool:
            for warned in pool.map(_warned, normal, chunksize=4):
                alarms.add(warned)
            results = pool.map(_warned, [parameters for _, parameters in failing], chunksize=4)
            for (name, parameters), warned in zip(failing, results, strict=True):
                found[name].add(PLANTED[name], parameters, warned)
            led_well = list(pool.map(_improved, [led(n, LEADER_EFFECT) for n in seeds]))
            unled = list(pool.map(_improved, [led(n, 0.0) for n in seeds]))
    return {
        "organisations": organisations,
        "weeks_each": len(weeks),
        "false_alarms": {
            warning: {
                "entries": alarms.entries[warning],
                "weeks": alarms.weeks[warning],
                "organisations": alarms.organisations[warning],
            }
            for warning in sorted(
                row["warning_id"] for row in shipped["warnings"].shipped_seeds["early_warnings"]
            )
        },
        "planted": {
            name: {
                "organisations": result.of_organisations,
                "found": result.found,
                "median_weeks": result.median_weeks,
            }
            for name, result in found.items()
        },
        "leader_effect": {
            "organisations": planted,
            "found": sum(led_well),
            "found_without_effect": sum(unled),
        },
        "seconds": {
            "compiling": round(compiled, 1),
            "all": round(time.perf_counter() - started, 1),
        },
    }


def show(results: Mapping[str, Any]) -> None:
    """Print the results as two tables."""
    organisations, weeks = results["organisations"], results["weeks_each"]
    print(f"False alarms in {organisations} organisations of {weeks} weeks, nothing amiss")
    print(f"{'warning':22} {'entries':>8} {'weeks':>8} {'organisations':>14}")
    for name, row in results["false_alarms"].items():
        print(f"{name:22} {row['entries']:8} {row['weeks']:8} {row['organisations']:14}")
    print()
    print("Planted failures found")
    print(f"{'planted':22} {'found':>8} {'of':>8} {'median weeks':>14}")
    for name, row in results["planted"].items():
        delay = "-" if row["median_weeks"] is None else row["median_weeks"]
        print(f"{name:22} {row['found']:8} {row['organisations']:8} {delay:>14}")
    effect = results["leader_effect"]
    print("\nVoluntary learning signalled to have improved, a year after launch")
    print(f"{'leaders move it':22} {effect['found']:8} of {effect['organisations']}")
    print(f"{'leaders do not':22} {effect['found_without_effect']:8} of {effect['organisations']}")
    print(f"\n{results['seconds']['all']} s, {results['seconds']['compiling']} of them dbt")


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--organisations", type=int, default=200)
    parser.add_argument("--planted", type=int, default=20, help="organisations a kind of failure")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="file to write the results to")
    arguments = parser.parse_args()
    results = measure(arguments.organisations, arguments.planted, arguments.processes)
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
