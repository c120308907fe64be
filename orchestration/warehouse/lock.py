"""The one lock around the DuckDB file: an OS file lock, which dies with its process."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.warehouse.spark_tables import forget_half_built

_IN_USE = re.compile(r"Conflicting lock is held in .*PID (\d+)")
_LOOK_SECONDS = 0.1


@contextmanager
def warehouse_lock(settings: Settings, purpose: str) -> Iterator[Path]:
    """Hold the warehouse while the block runs; yields the DuckDB file's path.

    Args:
        purpose: who is asking, named to anyone who waits in vain ('month figures, run 1a2b').

    Raises:
        Problem: another process held the warehouse for longer than
            ``duckdb.lock_timeout_seconds``; names the holder.
    """
    file = settings.warehouse_file
    file.parent.mkdir(parents=True, exist_ok=True)
    holder_file = file.with_suffix(".holder.json")
    lock = FileLock(file.with_suffix(".lock"))
    try:
        lock.acquire(timeout=settings.duckdb.lock_timeout_seconds)
    except Timeout as error:
        raise Problem(
            f"the warehouse is in use by {_holder(holder_file)}.",
            file=str(file),
            remedy="wait for that run, or stop it; the lock is freed when its process ends.",
        ) from error
    try:
        holder_file.write_text(
            json.dumps(
                {
                    "purpose": purpose,
                    "process": os.getpid(),
                    "since": datetime.now(UTC).isoformat(timespec="seconds"),
                }
            )
        )
        forget_half_built(settings)
        yield file
    finally:
        lock.release()


def _holder(file: Path) -> str:
    try:
        held = json.loads(file.read_text())
        return f"{held['purpose']} (process {held['process']}, since {held['since']})"
    except (OSError, ValueError, KeyError):
        return "a process that left no name"


@contextmanager
def warehouse_connection(
    settings: Settings, *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the DuckDB file; call it inside ``warehouse_lock`` only.

    Raises:
        Problem: a process that does not ask for the lock (a person's own look at the file) kept
            it open for longer than ``duckdb.lock_timeout_seconds``.
    """
    connection = _connect(settings, read_only)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def _connect(settings: Settings, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Waits while another process has the file open: dbt ends a moment after a run that died."""
    patience = time.monotonic() + settings.duckdb.lock_timeout_seconds
    while True:
        try:
            return duckdb.connect(
                str(settings.warehouse_file),
                read_only=read_only,
                config={
                    "memory_limit": settings.duckdb.memory_limit,
                    "threads": settings.duckdb.threads,
                    "autoinstall_known_extensions": False,
                },
            )
        except duckdb.IOException as error:
            holder = re.search(_IN_USE, str(error))
            if holder is None:
                raise
            if time.monotonic() > patience:
                raise Problem(
                    f"the warehouse is in use by process {holder[1]}.",
                    file=str(settings.warehouse_file),
                    remedy="let that process close the file, then run again.",
                ) from error
        time.sleep(_LOOK_SECONDS)
