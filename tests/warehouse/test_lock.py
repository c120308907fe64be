"""The warehouse lock: names its holder, and is free once the holder's process is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.problems import Problem
from orchestration.settings import (
    DuckDBSettings,
    OrganisationSettings,
    PathSettings,
    Settings,
)
from orchestration.warehouse.lock import warehouse_connection, warehouse_lock

HOLD = """
import sys, time
from pathlib import Path
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from orchestration.warehouse.lock import warehouse_lock
home = PathSettings(home=Path(sys.argv[1]))
settings = Settings(organisation=OrganisationSettings(name="T"), paths=home)
with warehouse_lock(settings, "the other run"):
    print("held", flush=True)
    time.sleep(60)
"""

LOOK = """
import sys, time
import duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""
RUN = """
import subprocess, time
from orchestration.warehouse.project import DBT_PROJECT, dbt_of_this_run
subprocess.Popen([*dbt_of_this_run(), "parse"], cwd=DBT_PROJECT)
print("dbt is started", flush=True)
time.sleep(60)
"""


def _settings(home: Path) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="T"),
        paths=PathSettings(home=home),
        duckdb=DuckDBSettings(lock_timeout_seconds=0.3),
    )


def test_a_waiter_is_told_who_holds_it_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(Problem) as caught, warehouse_lock(_settings(tmp_path), "this run"):
            pass
        assert f"the other run (process {holder.pid}" in str(caught.value)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        started = time.monotonic()
        with warehouse_lock(_settings(tmp_path), "this run"):
            assert time.monotonic() - started < 5
    finally:
        holder.kill()
        holder.wait()


def test_the_connection_is_in_utc_and_keeps_what_was_written(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with warehouse_lock(settings, "test"):
        with warehouse_connection(settings) as connection:
            connection.execute("CREATE TABLE t AS SELECT 42 AS answer")
        with warehouse_connection(settings, read_only=True) as connection:
            assert connection.execute("SELECT answer FROM t").fetchone() == (42,)
            assert connection.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


def test_a_file_that_others_look_into_is_waited_for_and_they_are_named(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with warehouse_lock(settings, "test"), warehouse_connection(settings):
        pass
    for seconds in (60.0, 0.2):
        other = subprocess.Popen(
            [sys.executable, "-c", LOOK, str(settings.warehouse_file), str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert other.stdout is not None and other.stdout.readline() == "held\n"
            with warehouse_lock(settings, "test"):
                if seconds > 1:
                    with (
                        pytest.raises(Problem, match=f"in use by process {other.pid}"),
                        warehouse_connection(settings),
                    ):
                        pass
                else:
                    patient = settings.model_copy(
                        update={"duckdb": DuckDBSettings(lock_timeout_seconds=30)}
                    )
                    with warehouse_connection(patient) as connection:
                        assert connection.execute("SELECT 42").fetchone() == (42,)
        finally:
            other.kill()
            other.wait()


def test_dbt_ends_with_the_run_that_started_it() -> None:
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "dbt is started\n"
    run.kill()
    run.wait()
    # left alone it would import for seconds, then say what it lacks, here where it writes to
    assert run.stdout.read() == ""
