"""What years of history cost: ``python tests/benchmarks/run_scale.py [--rows N] [--people N] ...``.

Writes a lake of the size asked for and measures, each in a process of its own: (a) a plain SQL
script that computes the five headline KPIs from the same lake, the floor; (b) this project's full
build of weeks, months and quarters; (c) the close of one more month on top; (d) a backfill of the
whole history with its packs; (e) landing of CSV and Parquet; (f) one month's whole graph and the
same build over an almost empty lake, which is what Dagster and dbt take by themselves; (g) pandas,
and Spark where it is installed, on the same lake; (h) snapshots of people that come daily on top of
it all. Prints a table, and JSON with ``--json FILE``.

The floor, pandas and Spark must give the figures that the project publishes, else it ends with an
error. Everything else is measured and asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import duckdb  # noqa: E402
from dagster import DagsterInstance, RunsFilter  # noqa: E402

from orchestration.feeds.contract import SNAPSHOTS  # noqa: E402
from orchestration.lake import Lake, quoted  # noqa: E402
from orchestration.periods import Grain, Period, partition_key, periods_between  # noqa: E402
from orchestration.settings import Settings, load_settings  # noqa: E402
from tests.benchmarks.long_lake import LongLake, Size, write_organisation  # noqa: E402

HERE = Path(__file__).parent
SPARK = ROOT / ".venv-spark" / "bin" / "python"
PEOPLE_A_MILLION = 2_000
DAILY = 10
DEAREST = 12
OF_DBT = "_models"
"""How the steps are called that run dbt, after the group of models that each builds."""
LOOK_SECONDS = 0.5
"""How often the memory is looked at, which costs what is measured some of its time."""
EMPTY = {"rows": 4_000, "people": 60, "units": 3, "fan_out": 10, "courses": 5}
HEADLINES = (
    "active_learner_rate",
    "certification_rate",
    "on_time_completion_rate",
    "performance_improvement",
    "time_to_competency",
)

Figures = dict[str, Any]


# ---- what is measured, each in a process of its own ------------------------------------------


def periods_of(size: Size, grain: Grain) -> list[Period]:
    """The whole periods of the history."""
    last = size.calendar[-1].end
    return [
        period
        for period in periods_between(grain, size.first, last)
        if period.start >= size.first and period.end <= last
    ]


def stage_floor(settings: Settings, size: Size) -> Figures:
    """The plain script over the same lake, with the same memory and threads."""
    from orchestration.warehouse.charter import charter_in_force

    charter = charter_in_force(settings).folder
    connection = duckdb.connect(
        config={
            "memory_limit": settings.duckdb.memory_limit,
            "threads": settings.duckdb.threads,
            "temp_directory": str(settings.home / "scratch"),
            "preserve_insertion_order": False,
        }
    )
    last = size.calendar[-1].end
    connection.execute(
        f"""
        SET TimeZone = 'UTC';
        SET VARIABLE lake = {quoted(str(settings.home / "lake"))};
        SET VARIABLE first = DATE '{size.first}';
        SET VARIABLE last = DATE '{last}';
        SET VARIABLE launch = DATE '{size.launch_on}';
        SET VARIABLE verbs = {quoted(str(charter / "learning_verbs.csv"))};
        SET VARIABLE requirements = {quoted(str(charter / "role_requirements.csv"))};
        """
    )
    parts = {}
    for statement in (HERE / "floor.sql").read_text().strip().split(";\n"):
        started = time.perf_counter()
        connection.execute(statement)
        parts[_heading(statement)] = round(time.perf_counter() - started, 2)
    connection.execute(f"COPY headline TO {quoted(str(headline_file(settings)))}")
    return {"parts": parts}


def _heading(statement: str) -> str:
    lines = [line for line in statement.strip().splitlines() if not line.startswith("--")]
    return " ".join(lines[0].split()[:6])


def headline_file(settings: Settings, of: str = "floor") -> Path:
    """Where the figures of the floor, or of a peer, lie."""
    return settings.home / f"headline-{of}.parquet"


def stage_pandas(settings: Settings, size: Size) -> Figures:
    """The same, of the three KPIs that count people, in pandas."""
    from tests.benchmarks.plain_pandas import headlines

    periods = [period for grain in Grain for period in periods_of(size, grain)]
    counted = headlines(settings, periods)
    with duckdb.connect() as connection:
        connection.register("counted", counted)
        write_headlines(connection, "counted", headline_file(settings, "pandas"))
    return {}


def write_headlines(connection: duckdb.DuckDBPyConnection, counted: str, file: Path) -> None:
    """Rates of what a peer has counted, as the project publishes them."""
    connection.execute(
        f"""
        COPY (
            SELECT
                grain,
                CAST(period_start AS DATE) AS period_start,
                kpi_id,
                org_unit_id,
                employment_line,
                CAST(numerator AS DECIMAL(18, 4)) AS numerator,
                CAST(denominator AS DECIMAL(18, 4)) AS denominator,
                CAST(
                    floor((2000 * numerator + denominator) / (2.0 * denominator)) / 10
                    AS DECIMAL(18, 4)
                ) AS value
            FROM {counted}
        ) TO {quoted(str(file))}
        """
    )


def stage_fold(settings: Settings, size: Size) -> Figures:
    """Every snapshot of the history folded into versions, one pass over each."""
    from orchestration.warehouse.fold import fold

    lake = Lake(settings.lake_url, settings.duckdb)
    return {
        feed: fold(lake, feed, changes=settings.feeds[feed].delivery == "changes").versions
        for feed in SNAPSHOTS
        if feed in settings.feeds
    }


def stage_daily(settings: Settings, size: Size) -> Figures:
    """Snapshots of everybody on some days after the history, each folded as it comes."""
    from orchestration.warehouse.fold import fold

    lake, writer = Lake(settings.lake_url, settings.duckdb), LongLake(settings, size)
    start = size.calendar[-1].shift(2).start
    seconds, versions = 0.0, 0
    for number in range(DAILY):
        writer.deliver_people(start + timedelta(days=number))
        started = time.perf_counter()
        report = fold(lake, "people")
        seconds += time.perf_counter() - started
        versions = report.versions
        if len(report.folded) != 1 or report.rebuilt:
            sys.exit(f"a daily snapshot was not folded by itself: {report}")
    return {"versions": versions, "parts": {"one fold": round(seconds / DAILY, 2)}}


def stage_build(settings: Settings, size: Size) -> Figures:
    """Foundation, day facts, and the tested and published figures of every period."""
    from orchestration.cadences import FOUNDATION_JOB

    with Line(settings) as line:
        line.run(FOUNDATION_JOB)
        line.day_facts(size.first, size.calendar[-1].end)
        for grain in reversed(Grain):
            periods = periods_of(size, grain)
            line.figures(grain, periods[0], periods[-1])
        return line.figures_of_runs()


def stage_month(settings: Settings, size: Size) -> Figures:
    """One more month: its day facts, its close and figures."""
    month = size.calendar[-1].shift(1)
    with Line(settings) as line:
        line.day_facts(month.start, month.end)
        line.figures(Grain.MONTH, month, month)
        return line.figures_of_runs()


def stage_landing(settings: Settings, size: Size) -> Figures:
    """Land, judge and publish what lies in the landing folder."""
    from orchestration.feeds.landing import land_range
    from orchestration.quality.publish import publish

    lake = Lake(settings.lake_url, settings.duckdb)
    started = time.perf_counter()
    landed = land_range(settings, lake, "activity", size.first, date.today())
    middle = time.perf_counter()
    manifests = [each.manifest for each in landed if each.manifest is not None]
    published = publish(lake, "activity", manifests)
    rows = sum(each.rows_accepted for each in published.in_force)
    if rows != sum(each.rows_in for each in manifests) or not rows:
        sys.exit(f"landing lost rows: {rows} in force")
    return {
        "rows": rows,
        "parts": {
            "land": round(middle - started, 2),
            "judge and publish": round(time.perf_counter() - middle, 2),
        },
    }


class Line:
    """The project's jobs over ranges of partitions, as its command runs them."""

    def __init__(self, settings: Settings) -> None:
        from orchestration.definitions import build_definitions
        from orchestration.runs import project_instance
        from orchestration.warehouse.project import prepare_manifest

        started = time.perf_counter()
        self._settings = settings
        prepare_manifest(settings)
        self._definitions = build_definitions(settings)
        self._context = project_instance(settings)
        self._loading = time.perf_counter() - started
        self._parts: dict[str, float] = {}
        self._nodes: dict[str, float] = {}

    def __enter__(self) -> Line:
        self._instance = self._context.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._context.__exit__(None, None, None)

    def run(
        self, job: str, first: str | None = None, last: str | None = None, stages: str = ""
    ) -> None:
        """One run of a job; of ``stages`` only, where some are named."""
        from orchestration.runs import execute

        layer = self._definitions.resolve_job_def(job).asset_layer
        keys = [k for k in layer.selected_asset_keys if not stages or k.path[0] in stages.split()]
        result = execute(
            self._settings, self._definitions, self._instance, job, first, last, assets=keys
        )
        for step, seconds in steps_of(self._instance, result.run_id).items():
            self._parts[f"{job} {step}"] = seconds
            if step.endswith(OF_DBT):
                self._note_nodes(step.removesuffix(OF_DBT))

    def _note_nodes(self, tag: str) -> None:
        """Seconds of each model, test and seed of dbt's last build of a group, as dbt says."""
        from orchestration.warehouse.build import log_folder

        said = json.loads((log_folder(self._settings, tag) / "run_results.json").read_text())
        for each in said["results"]:
            kind, _, name = each["unique_id"].split(".", 2)
            self._nodes[f"{tag} {kind} {name}"] = round(each["execution_time"], 2)

    def day_facts(self, first: date, last: date) -> None:
        """The facts of the days that deliveries touched."""
        from orchestration.cadences import INGEST_JOB

        self.run(INGEST_JOB, first.isoformat(), last.isoformat(), "warehouse")

    def figures(self, grain: Grain, first: Period, last: Period) -> None:
        """Close, build, test and publish a range of periods."""
        from orchestration.cadences import close_job_name

        self.run(
            close_job_name(grain), partition_key(first), partition_key(last), "quality warehouse"
        )

    def figures_of_runs(self) -> Figures:
        """Seconds of each step, and of each model, test and seed within those of dbt."""
        return {"loading": round(self._loading, 2), "parts": self._parts, "nodes": self._nodes}


STAGES: dict[str, Callable[[Settings, Size], Figures]] = {
    "floor": stage_floor,
    "pandas": stage_pandas,
    "fold": stage_fold,
    "build": stage_build,
    "month": stage_month,
    "daily": stage_daily,
    "landing": stage_landing,
}


# ---- measuring -------------------------------------------------------------------------------


def measured(command: list[str], settings_file: Path) -> Figures:
    """Wall and CPU seconds and peak memory of one command and the processes it starts.

    ``dbt_seconds`` are those of wall in which one of them was dbt.

    Raises:
        SystemExit: it failed; carries what it printed.
    """
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command,
            env={**os.environ, "ADOPTION_SETTINGS": str(settings_file)},
            cwd=ROOT,
            stdout=out,
            stderr=err,
        )
        with Watch(process.pid) as watch:
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - started
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            sys.exit(f"{command}\n{out.read()}{err.read()[-4000:]}")
        printed = out.read().strip().splitlines()
    found = {
        "wall_seconds": round(wall, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_memory_mb": watch.peak_kb // 1024,
        "dbt_seconds": round(watch.accompanied_seconds, 2),
    }
    if printed and printed[-1].startswith("{"):
        found |= json.loads(printed[-1])
    return found


class Watch:
    """The peak of the memory that a process and those it started hold together.

    Attributes:
        accompanied_seconds: how long dbt ran beside it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak_kb = 0
        self.accompanied_seconds = 0.0

    def __enter__(self) -> Watch:
        from threading import Event, Thread

        self._over = Event()
        self._thread = Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        looked = time.perf_counter()
        while not self._over.wait(LOOK_SECONDS):
            family = list(_family(self._pid))
            before, looked = looked, time.perf_counter()
            if any(_is_dbt(pid) for pid in family[1:]):
                self.accompanied_seconds += looked - before
            self.peak_kb = max(self.peak_kb, sum(map(_resident_kb, family)))


def _family(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _family(int(child))


def _is_dbt(pid: int) -> bool:
    try:
        return b"dbt_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _resident_kb(pid: int) -> int:
    """Memory of one process, of what is shared with others its part only."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def stage(name: str, settings_file: Path, size: Size) -> Figures:
    """Measure one of the stages above."""
    given = json.dumps(asdict(size), default=str)
    command = [sys.executable, str(HERE / "run_scale.py"), "--stage", name, "--size", given]
    found = measured(command, settings_file)
    shown = {each: found[each] for each in found if each != "nodes"}
    print(f"{name}: {json.dumps(shown)}", file=sys.stderr, flush=True)
    return found


def on_spark(settings: Settings, settings_file: Path, size: Size, memory: str) -> Figures:
    """Measure the same three KPIs on Spark, with all cores of this machine."""
    from orchestration.warehouse.charter import charter_in_force

    counted = settings.home / "counted-spark.parquet"
    found = measured(
        [
            *(str(SPARK), str(HERE / "plain_spark.py"), str(settings.home / "lake")),
            str(charter_in_force(settings).folder),
            *(str(size.first), str(size.calendar[-1].end), memory.lower().rstrip("b")),
            str(counted),
        ],
        settings_file,
    )
    with duckdb.connect() as connection:
        write_headlines(connection, quoted(str(counted)), headline_file(settings, "spark"))
    print(f"spark: {json.dumps(found)}", file=sys.stderr, flush=True)
    return found


def megabytes(path: Path) -> float:
    """Disk used by a file or folder."""
    if path.is_file():
        return round(path.stat().st_size / 1e6, 1)
    return round(sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) / 1e6, 1)


def require_equal(settings: Settings, size: Size, of: str) -> None:
    """Hold the headline figures of the floor, or of a peer, against those published of the history.

    Raises:
        SystemExit: one differs, or there is none.
    """
    wrong = differences(settings, size, headline_file(settings, of))
    if wrong:
        sys.exit(f"{len(wrong)} headline figures differ from those of {of}: {wrong[:8]}")


def differences(settings: Settings, size: Size, file: Path) -> list[Any]:
    """Headline figures of ``file`` that are not what the project published, and the other way.

    Raises:
        SystemExit: there is nothing to compare.
    """
    from orchestration.warehouse.published import published_builds

    lake = Lake(settings.lake_url, settings.duckdb)
    kpis = ", ".join(quoted(kpi) for kpi in HEADLINES)
    published = " UNION ALL ".join(
        f"SELECT '{grain}' AS grain, * FROM read_parquet(["
        + ", ".join(
            quoted(lake.path("published", grain, period, build, f"kpi_values__{grain}.parquet"))
            for period, build in published_builds(lake, grain).items()
        )
        + "])"
        for grain in Grain
    )
    columns = "grain, period_start, kpi_id, org_unit_id, employment_line"
    with lake.connect() as connection:
        rows = connection.execute(
            f"""
            WITH published AS (
                SELECT {columns}, numerator, denominator, value
                FROM ({published})
                WHERE
                    kpi_id IN ({kpis})
                    AND period_start <= DATE '{size.calendar[-1].end}'
                    AND (no_data_reason IS NULL OR no_data_reason = 'not reached')
            ),

            plain AS (
                SELECT {columns}, numerator, denominator, value
                FROM read_parquet({quoted(str(file))})
            )

            SELECT 'floor only', * FROM (FROM plain EXCEPT FROM published)
            UNION ALL
            SELECT 'project only', * FROM (
                FROM published
                WHERE kpi_id IN (SELECT DISTINCT kpi_id FROM plain)
                EXCEPT FROM plain
            )
            ORDER BY ALL
            """
        ).fetchall()
        counted = connection.execute(
            f"SELECT count(*), count(DISTINCT kpi_id) FROM read_parquet({quoted(str(file))})"
        ).fetchone()
    if not counted or not counted[0]:
        sys.exit("no figure to compare")
    return rows


# ---- the benchmark ---------------------------------------------------------------------------


def main() -> None:
    """Measure and print; or run one stage, in the process that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="activity rows of 36 months")
    parser.add_argument("--people", type=int, help="default 2,000 for each million rows")
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--fan-out", type=int, default=10, help="units beneath each unit")
    parser.add_argument("--courses", type=int, default=60)
    parser.add_argument("--first", type=date.fromisoformat, default=date(2023, 10, 1))
    parser.add_argument("--memory", default="6GB", help="DuckDB's memory limit")
    parser.add_argument("--parts", default="abcdefgh", help="which of (a) to (h)")
    parser.add_argument("--folder", type=Path, help="keep the lake there, and use one that lies")
    parser.add_argument("--json", type=Path, help="file to write the results to")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        size = sized(json.loads(arguments.size))
        print(json.dumps(STAGES[arguments.stage](load_settings(), size)))
        return
    size = Size(
        rows=arguments.rows,
        people=arguments.people or max(PEOPLE_A_MILLION * arguments.rows // 1_000_000, 60),
        months=arguments.months,
        units=arguments.units,
        fan_out=arguments.fan_out,
        courses=arguments.courses,
        first=arguments.first,
    )
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        folder = arguments.folder or Path(temporary)
        results = benchmark(folder, size, arguments.parts, arguments.memory)
    report(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def benchmark(folder: Path, size: Size, parts: str, memory: str) -> dict[str, Any]:
    """Every part that is asked for, in order."""
    results: dict[str, Any] = {
        "machine": {
            "date": date.today().isoformat(),
            "cores": os.cpu_count(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
            "load": os.getloadavg()[0],
            "duckdb": duckdb.__version__,
            "python": platform.python_version(),
        },
        "size": {**asdict(size), "first": size.first.isoformat()},
    }
    home = folder / "home"
    settings_file = write_organisation(home, size, memory_limit=memory)
    settings = load_settings(settings_file)
    if not (settings.home / "lake" / "in_force" / "activity.parquet").exists():
        started = time.perf_counter()
        LongLake(settings, size).write(size.calendar)
        print(f"lake written in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    results["fold"] = stage("fold", settings_file, size)
    lake_mb = megabytes(home / "lake" / "raw") + megabytes(home / "lake" / "versions")
    results["disk"] = {"lake_mb": lake_mb}
    if "f" in parts:
        results |= overhead(folder, size, memory)
    if "a" in parts:
        results["floor"] = stage("floor", settings_file, size)
    if "b" in parts:
        results["full build"] = stage("build", settings_file, size)
        results["disk"]["warehouse_mb"] = megabytes(settings.warehouse_file)
        results["disk"]["published_mb"] = megabytes(home / "lake" / "published")
        if "a" in parts:
            require_equal(settings, size, "floor")
    if "g" in parts:
        results["pandas (3 KPIs)"] = stage("pandas", settings_file, size)
        built = settings.warehouse_file.exists()  # now, or before in the folder that was kept
        if built:
            require_equal(settings, size, "pandas")
        if SPARK.exists():
            results["Spark (3 KPIs)"] = on_spark(settings, settings_file, size, memory)
            if built:
                require_equal(settings, size, "spark")
        else:
            print("Spark is not compared: `make spark` installs it", file=sys.stderr)
    if "c" in parts:
        LongLake(settings, size).write([size.calendar[-1].shift(1)])
        stage("fold", settings_file, size)
        results["month close"] = stage("month", settings_file, size)
    if "h" in parts:
        results["daily snapshots"] = stage("daily", settings_file, size)
    if "d" in parts:
        for folder_of in ("warehouse", "lake/published", "lake/closes", "drafts", "archive"):
            shutil.rmtree(home / folder_of, ignore_errors=True)
        last = size.calendar[-1].id
        command = [sys.executable, "-m", "orchestration", "backfill", "--to", last]
        results["backfill"] = measured(command, settings_file)
        results["backfill"]["parts"] = rendering(settings, settings_file)
    if "e" in parts:
        for file_format in ("csv", "parquet"):
            results[f"landing {file_format}"] = landing(folder, size, file_format, memory)
    return results


def overhead(folder: Path, size: Size, memory: str) -> dict[str, Figures]:
    """The full build over an almost empty lake, one more month there, and a month's whole graph:
    from its landing to its delivery, into the outbox."""
    empty = Size(**{**EMPTY, "months": size.months, "first": size.first})
    home, aside = folder / "empty", folder / "empty-as-built"
    settings_file = write_organisation(home, empty, memory_limit=memory)
    writer, month = LongLake(load_settings(settings_file), empty), empty.calendar[-1].shift(1)
    writer.write(empty.calendar)
    stage("fold", settings_file, empty)
    results = {"overhead": stage("build", settings_file, empty)}
    writer.write([month])
    shutil.copytree(home, aside)
    results["month overhead"] = stage("month", settings_file, empty)
    shutil.rmtree(home)
    aside.rename(home)
    command = [sys.executable, "-m", "orchestration", "run", "--period", month.id]
    since = datetime.now(UTC)
    results["month's graph"] = measured(command, settings_file)
    parts = of_runs_since(load_settings(settings_file), settings_file, since)
    results["month's graph"]["parts"] = parts
    return results


def rendering(settings: Settings, settings_file: Path) -> dict[str, float]:
    """Seconds of each step of the newest runs of the jobs that draft, from Dagster's own log."""
    from orchestration.cadences import restate_job_name
    from orchestration.runs import project_instance

    os.environ["ADOPTION_SETTINGS"] = str(settings_file)
    parts: dict[str, float] = {}
    with project_instance(settings) as instance:
        for grain in Grain:
            job = restate_job_name(grain)
            (record,) = instance.get_run_records(RunsFilter(job_name=job), limit=1)
            parts |= steps_of(instance, record.dagster_run.run_id)
    return parts


def steps_of(instance: DagsterInstance, run_id: str) -> dict[str, float]:
    """Seconds of each step of a run."""
    return {
        step.step_key: round((step.end_time or 0) - (step.start_time or 0), 2)
        for step in instance.get_run_step_stats(run_id)
    }


def of_runs_since(settings: Settings, settings_file: Path, since: datetime) -> dict[str, float]:
    """Seconds of the runs begun since: within steps, those of dbt apart, and outside of any."""
    from orchestration.runs import project_instance

    os.environ["ADOPTION_SETTINGS"] = str(settings_file)
    found = {"steps of dbt": 0.0, "other steps": 0.0, "between steps": 0.0}
    with project_instance(settings) as instance:
        for record in instance.get_run_records(RunsFilter(created_after=since)):
            steps = steps_of(instance, record.dagster_run.run_id)
            of_dbt = sum(s for step, s in steps.items() if step.endswith(OF_DBT))
            found["steps of dbt"] += of_dbt
            found["other steps"] += sum(steps.values()) - of_dbt
            found["between steps"] += (record.end_time or 0) - (record.start_time or 0)
            found["between steps"] -= sum(steps.values())
    return {what: round(seconds, 2) for what, seconds in found.items()}


def landing(folder: Path, size: Size, file_format: Any, memory: str) -> Figures:
    """Land the first month's activity as one file, in a home of its own."""
    home = folder / f"landing-{file_format}"
    shutil.rmtree(home, ignore_errors=True)
    file = write_organisation(home, size, memory_limit=memory)
    text = file.read_text().replace(
        'activity_{date}.csv" }', f'activity_{{date}}.{file_format}" }}\nformat = "{file_format}"'
    )
    file.write_text(text)
    settings = load_settings(file)
    month = size.calendar[0]
    writer = LongLake(settings, size)
    delivered = writer.deliver_activity(settings.landing_folder, month, file_format)
    found = stage("landing", file, size) | {"file_mb": megabytes(delivered)}
    shutil.rmtree(home)
    return found


def sized(given: dict[str, Any]) -> Size:
    """A size as JSON has it."""
    return Size(**{**given, "first": date.fromisoformat(given["first"])})


def where_time_goes(name: str, found: Figures, empty: Figures) -> None:
    """The dearest steps of a build, less what they take over the almost empty lake, and the
    dearest models and tests within."""
    own = empty.get("parts", {})
    steps = {step: seconds - own.get(step, 0) for step, seconds in found["parts"].items()}
    for what, seconds_of in ((f"{name}, steps", steps), ("models and tests", found["nodes"])):
        dearest = sorted(seconds_of.items(), key=lambda each: -each[1])[:DEAREST]
        print(f"{what}: " + ", ".join(f"{each} {s:.1f} s" for each, s in dearest if s >= 0.1))


def report(results: dict[str, Any]) -> None:
    """The table, and what decides it."""
    size, machine = results["size"], results["machine"]
    print(
        f"{size['rows']:,} activity rows, {size['people']:,} people, {size['months']} months, "
        f"{size['units']} units, {size['courses']} courses; {machine['cores']} cores, "
        f"{machine['memory_gb']} GB, load {machine['load']:.1f} at the start, {machine['date']}"
    )
    floor = results.get("floor", {}).get("wall_seconds")
    bare = results.get("overhead", {}).get("wall_seconds", 0)
    print(f"{'':18}{'wall s':>9}{'of it dbt':>11}", end="")
    print(f"{'CPU s':>9}{'peak MB':>9}{'rows/s':>12}{'x floor':>9}")
    for name, found in results.items():
        if "wall_seconds" not in found:
            continue
        wall = found["wall_seconds"]
        rows = found.get("rows", size["rows"])
        unsized = ("month's graph", "overhead", "month overhead", "daily snapshots")
        speed = f"{rows / wall:,.0f}" if name not in unsized else ""
        ratio = f"{wall / floor:.2f}" if floor else ""
        print(
            f"{name:18}{wall:>9.1f}{found['dbt_seconds']:>11.1f}{found['cpu_seconds']:>9.1f}"
            f"{found['peak_memory_mb']:>9}{speed:>12}{ratio:>9}"
        )
    if daily := results.get("daily snapshots"):
        print(
            f"a daily snapshot of people folded in {daily['parts']['one fold']:.2f} s, "
            f"on top of {daily['versions']:,} versions"
        )
    if graph := results.get("month's graph"):
        listed = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in graph["parts"].items())
        rest = graph["wall_seconds"] - sum(graph["parts"].values())
        print(
            f"a month's whole graph over the almost empty lake: {listed}, "
            f"starting, loading and what is said {rest:.1f} s"
        )
    for name, empty in (("full build", "overhead"), ("month close", "month overhead")):
        if name in results:
            where_time_goes(name, results[name], results.get(empty, {}))
    full = results.get("full build", {}).get("wall_seconds")
    month = results.get("month close", {}).get("wall_seconds")
    if full and floor:
        print(f"full build less Dagster's and dbt's own: {(full - bare) / floor:.2f} x the floor")
    if full and month and bare:
        bare_month = results["month overhead"]["wall_seconds"]
        print(
            f"month close, likewise: 1/{(full - bare) / max(month - bare_month, 0.01):.0f} "
            "of the full build"
        )
    backfill = results.get("backfill", {})
    if backfill:
        rendered = sum(backfill["parts"].values())
        packs = sum(len(periods_of(sized(size), grain)) for grain in Grain)
        pages = sum(s for step, s in backfill["parts"].items() if step.endswith("_pages"))
        print(
            f"{packs} reviews with scorecard, letters and archive: {rendered / packs:.1f} s each, "
            f"of which the pack's pages {pages / packs:.2f} s"
        )
        without = backfill["wall_seconds"] - rendered
        ratio = f", {without / full:.2f} x the full build" if full else ""
        print(f"backfill less {rendered:.0f} s of those: {without:.0f} s{ratio}")
    disk = results["disk"]
    print("disk: " + ", ".join(f"{name} {value:,.0f}" for name, value in disk.items()))
    if "warehouse_mb" in disk:
        print(f"warehouse: {disk['warehouse_mb'] / disk['lake_mb']:.2f} x the lake")


if __name__ == "__main__":
    main()
