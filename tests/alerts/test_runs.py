"""Failed runs, failed checks and killed processes: told once however often, and told well again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    RunRecord,
    asset,
    asset_check,
    build_sensor_context,
    define_asset_job,
    job,
    op,
)
from hypothesis import given
from hypothesis import strategies as st

from orchestration.alerts.failing import judge
from orchestration.alerts.reaper import PROCESS_TAG, noted_in_process_executor, reap
from orchestration.alerts.sensors import Watched, build_sensors
from orchestration.cadences import RANGE_END_TAG, RANGE_START_TAG
from orchestration.incidents import open_incidents
from orchestration.settings import PROJECT_ROOT
from orchestration.state import SendStatus, State, new_holder
from tests.alerts.conftest import LEAD, NOW, OPERATIONS, OfficeFactory

BROKEN: set[str] = set()


@op
def work() -> None:
    if "run" in BROKEN:
        raise RuntimeError("canary@example.org broke it")


@job(executor_def=noted_in_process_executor)
def monthly_close() -> None:
    work()


@asset(key=["warehouse", "kpi_values__month"])
def values() -> None: ...


@asset_check(asset=values, name="adds_up")
def adds_up() -> AssetCheckResult:
    severity = AssetCheckSeverity.WARN if "warn" in BROKEN else AssetCheckSeverity.ERROR
    return AssetCheckResult(passed="check" not in BROKEN, severity=severity)


DEFINITIONS = Definitions(
    assets=[values],
    asset_checks=[adds_up],
    jobs=[monthly_close, define_asset_job("build", selection="*")],
    executor=noted_in_process_executor,
)
WATCHED = Watched(
    jobs={
        "monthly_close": frozenset(),
        "build": frozenset({AssetKey(["warehouse", "kpi_values__month"])}),
    },
    checks=tuple(DEFINITIONS.resolve_asset_graph().asset_check_keys),
)


@pytest.fixture(autouse=True)
def _whole() -> None:
    BROKEN.clear()


def run(instance: DagsterInstance, *broken: str, name: str = "monthly_close") -> None:
    BROKEN.clear()
    BROKEN.update(broken)
    DEFINITIONS.resolve_job_def(name).execute_in_process(instance=instance, raise_on_error=False)


def test_a_run_that_fails_and_fails_is_one_message(
    open_office: OfficeFactory, instance: DagsterInstance
) -> None:
    office = open_office(chat=True)
    office.moment = datetime.now(UTC)
    run(instance)
    office.watch(WATCHED)
    assert office.mails() == []
    run(instance, "run")
    office.watch(WATCHED, seconds=60)
    for count in (2, 3, 500):
        while instance.get_runs_count() < count + 1:
            instance.create_run_for_job(monthly_close, status=DagsterRunStatus.FAILURE)
        office.watch(WATCHED, seconds=60)
    assert office.mails() == [(OPERATIONS, "new: the job monthly_close failed")]
    assert len(office.web.posts) == 1
    text = " ".join(office.text().split())
    assert "It failed once, last in run" in text and "at work." in text
    assert "At risk: The monthly review of" in text and "weekly" not in text
    assert "canary" not in text
    (incident,) = open_incidents(office.state)
    assert "It failed 500 times in a row" in incident.detail
    run(instance)
    office.watch(WATCHED, seconds=60)
    assert office.mails()[1:] == [(OPERATIONS, "recovered: the job monthly_close failed")]


def fail(instance: DagsterInstance, first: str, last: str = "", *, ok: bool = False) -> None:
    """An ended run of the monthly close over some months."""
    tags = {RANGE_START_TAG: first, RANGE_END_TAG: last} if last else {"dagster/partition": first}
    status = DagsterRunStatus.SUCCESS if ok else DagsterRunStatus.FAILURE
    instance.create_run_for_job(monthly_close, tags=tags, status=status)


def test_one_months_success_closes_no_other_months_failure(
    open_office: OfficeFactory, instance: DagsterInstance
) -> None:
    office = open_office()
    office.moment = datetime.now(UTC)

    def told() -> list[str]:
        office.watch(WATCHED, seconds=60)
        return [subject for _, subject in office.mails()]

    fail(instance, "2026-09-01")
    fail(instance, "2026-10-01", ok=True)
    september = "new: the job monthly_close failed for September 2026"
    assert told() == [september]
    fail(instance, "2026-08-01", "2026-09-01")  # the same month again, in a range with another
    fail(instance, "2026-11-01")
    assert told() == [september, "new: the job monthly_close failed for November 2026"]
    assert len(open_incidents(office.state)) == 2
    fail(instance, "2026-11-01", ok=True)
    assert told()[2:] == ["recovered: the job monthly_close failed for November 2026"]
    fail(instance, "2026-09-01", ok=True)
    assert sorted(told()[3:]) == [
        # what is left of the range is told by its own name
        "2 faults (1 recovered, 1 new)",
    ]
    assert "New: The job monthly_close failed for August 2026" in office.text()
    assert "Recovered: The job monthly_close failed for" in office.text()
    fail(instance, "2026-07-01", "2026-12-01", ok=True)
    assert told()[4:] == ["recovered: the job monthly_close failed for August 2026"]
    assert open_incidents(office.state) == []


MONTHS = [date(2026, month, 1) for month in range(1, 13)]


@given(
    st.lists(
        st.tuples(st.integers(0, 11), st.integers(0, 4), st.booleans()), min_size=1, max_size=12
    )
)
def test_what_is_failed_is_what_the_newest_run_of_each_partition_says(
    runs: list[tuple[int, int, bool]],
) -> None:
    """Against the partitions taken one by one."""
    records = []
    for start, length, ok in runs:  # newest first
        first, last = MONTHS[start], MONTHS[min(start + length, 11)]
        run = DagsterRun(
            job_name="j",
            status=DagsterRunStatus.SUCCESS if ok else DagsterRunStatus.FAILURE,
            tags={RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()},
        )
        records.append(RunRecord(1, run, NOW, NOW))
    judged = judge(records, frozenset())
    for place, month in enumerate(MONTHS):
        newest = next((ok for start, length, ok in runs if start <= place <= start + length), None)
        holders = [failure for failure in judged.failures if failure.covers(month)]
        assert len(holders) == (newest is False), month
        assert judged.is_well(month) == (newest is True), month


def test_a_failure_is_made_good_in_steps_and_by_hand_of_the_same_assets_only() -> None:
    a, b = AssetKey("a"), AssetKey("b")

    def record(ok: bool, *assets: AssetKey) -> RunRecord:
        run = DagsterRun(
            job_name="j",
            status=DagsterRunStatus.SUCCESS if ok else DagsterRunStatus.FAILURE,
            tags={"dagster/partition": "2026-10-01"},
            asset_selection=frozenset(assets) or None,
        )
        return RunRecord(1, run, NOW, NOW)

    whole = frozenset({a, b})
    assert judge([record(True, a), record(False)], whole).failures
    assert not judge([record(True, b), record(True, a), record(False)], whole).failures
    two = judge([record(False, a), record(False, b)], whole).failures
    assert [failure.assets for failure in two] == [{a}, {b}]
    assert len(judge([record(False, a), record(False)], whole).failures) == 1


def test_a_failed_check_is_told_and_a_warning_is_not(
    open_office: OfficeFactory, instance: DagsterInstance
) -> None:
    office = open_office()
    run(instance, "check", "warn", name="build")
    office.watch(WATCHED)
    assert office.mails() == []
    run(instance, "check", name="build")
    office.watch(WATCHED)
    run(instance, "check", name="build")
    office.watch(WATCHED)
    title = "the check adds_up of warehouse/kpi_values__month failed"
    assert office.mails() == [(OPERATIONS, f"new: {title}")]
    assert "the monthly review of" in office.text().lower()
    run(instance, name="build")
    office.watch(WATCHED)
    assert office.mails()[1:] == [(OPERATIONS, f"recovered: {title}")]


def test_a_part_that_cannot_be_judged_hides_no_other(
    open_office: OfficeFactory, instance: DagsterInstance, tmp_path: Path
) -> None:
    office = open_office(alerts={"operations_email": None})
    (tmp_path / "lake" / "in_force" / "people.parquet").write_bytes(b"no Parquet")
    run(instance, "run")
    office.watch(WATCHED)
    assert office.mails() == [(LEAD, "2 faults (2 new)")]
    assert "The watch cannot judge feeds" in office.text()
    assert "The job monthly_close failed" in office.text()


def test_runs_of_dead_processes_fail_and_living_ones_go_on(
    open_office: OfficeFactory, instance: DagsterInstance
) -> None:
    office = open_office()
    dead = new_holder().rsplit("|", 3)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    holder = f"{dead[0]}|{gone.pid}|1|x"
    runs = {
        name: instance.create_run_for_job(
            monthly_close, status=status, tags={PROCESS_TAG: tag} if tag else {}
        ).run_id
        for name, status, tag in (
            ("dead", DagsterRunStatus.STARTED, holder),
            ("cancelled", DagsterRunStatus.CANCELING, holder),
            ("alive", DagsterRunStatus.STARTED, new_holder()),
            ("elsewhere", DagsterRunStatus.STARTED, "other|1|1|x"),
            ("unknown", DagsterRunStatus.STARTED, None),
            ("made", DagsterRunStatus.NOT_STARTED, holder),  # and killed before it began
            ("launched", DagsterRunStatus.NOT_STARTED, None),
        )
    }
    runs["again"] = instance.create_run_for_job(
        monthly_close, status=DagsterRunStatus.STARTING, tags={PROCESS_TAG: holder},
        parent_run_id=runs["dead"], root_run_id=runs["dead"],
    ).run_id  # fmt: skip
    office.state.plan("edition", "e1", ["a@example.org", "b@example.org"])
    for row, name in zip(office.state.ledger_rows("edition"), ("dead", "alive"), strict=True):
        office.state.claim(row, run_id=runs[name], holder="h")
    ended = sorted(runs[name] for name in ("dead", "cancelled", "made"))
    assert sorted(reap(instance, office.state)) == ended
    found = {name: instance.get_run_by_id(run_id) for name, run_id in runs.items()}
    assert {name: each.status.value for name, each in found.items() if each} == {
        "dead": "FAILURE",
        "cancelled": "CANCELED",
        "alive": "STARTED",
        "elsewhere": "STARTED",
        "unknown": "STARTED",
        "made": "FAILURE",
        "launched": "NOT_STARTED",
        "again": "STARTING",
    }
    assert [row.status for row in office.state.ledger_rows("edition")] == [
        SendStatus.UNKNOWN,
        SendStatus.SENDING,
    ]
    assert reap(instance, office.state) == []


def test_a_killed_run_is_marked_failed_and_told(open_office: OfficeFactory, tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    environment = {**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1"}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.alerts.sleeper"],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        while (line := process.stdout.readline()) != "asleep\n":
            assert line, "the run never began"
        with DagsterInstance.from_config(str(home)) as instance:
            watched = Watched(jobs={"sleeper": frozenset()}, checks=())
            office = replace(open_office(), instance=instance, moment=datetime.now(UTC))
            office.state.now = lambda: office.moment  # type: ignore[method-assign]
            office.watch(watched)
            (living,) = instance.get_runs()
            assert living.status is DagsterRunStatus.STARTED and office.mails() == []
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert "1 dead runs ended" in office.watch(watched, seconds=60)
            (ended,) = instance.get_runs()
            assert ended.status is DagsterRunStatus.FAILURE
            assert office.mails() == [(OPERATIONS, "new: the job sleeper failed")]
            assert "process may have died" in " ".join(office.text().split())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_sensor_is_on_and_looks_by_itself(
    open_office: OfficeFactory, instance: DagsterInstance
) -> None:
    office = open_office()
    run(instance, "run")
    (sensor,) = build_sensors(office.settings)
    assert sensor.default_status.value == "RUNNING"
    repository = DEFINITIONS.get_repository_def()
    started = time.monotonic()
    with build_sensor_context(instance=instance, repository_def=repository) as context:
        data = sensor.evaluate_tick(context)
    assert "1 incidents open, 1 messages sent" in str(data.skip_message)
    assert time.monotonic() - started < 20
    assert office.mails() == [(OPERATIONS, "new: the job monthly_close failed")]
    with State.open(office.settings) as state:
        assert [each.cause for each in open_incidents(state)] == ["run monthly_close"]
