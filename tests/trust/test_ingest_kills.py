"""The ingest killed at seeded random moments, out of room, read-only, and started twice at once.

ADOPTION_INGEST_KILLS=100 (`make soak`) kills more often.
"""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT
from tests.feeds.conftest import event, header, person
from tests.trust.landing_worker import ingest, settings_of

KILLS = int(os.environ.get("ADOPTION_INGEST_KILLS", "10"))


def deliver(home: Path, days: int = 6, events: int = 400) -> None:
    landing = home / "landing"
    landing.mkdir(parents=True)
    people = header("people") + "".join(person(f"p{n}") for n in range(60)) + person("p1")
    for day in range(1, days + 1):
        (landing / f"people_2026-10-{day:02d}.csv").write_text(people)
        rows = header("activity") + "".join(
            event(f"e{day}-{n}", f"p{n % 70}", occurred_at=f"2026-10-{day:02d}T{n % 24:02d}:00:00Z")
            for n in range(events)
        )
        packed = gzip.compress(rows.encode(), mtime=0)
        (landing / f"activity_2026-10-{day:02d}.csv.gz").write_bytes(packed)


def started(home: Path, lock_seconds: float = 600) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.trust.landing_worker", str(home), str(lock_seconds)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def begun(home: Path) -> subprocess.Popen[str]:
    """The process once its imports are done and there is something to break."""
    process = started(home)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def in_the_lake(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of raw, of the quarantine, of what is in force and of the versions."""
    lake = Lake(str(home / "lake"))
    found: dict[str, list[tuple[object, ...]]] = {}
    with lake.connect() as connection:
        for file in lake.files(suffix=".parquet"):
            if file.startswith(("raw", "in_force", "staged", "versions")):
                found[file] = connection.execute(
                    "SELECT * FROM read_parquet($1, hive_partitioning = false) ORDER BY ALL",
                    [lake.path(file)],
                ).fetchall()
    return found


def half_written(home: Path) -> list[str]:
    """Parquet files under their final names that are not whole."""
    wrong = []
    with duckdb.connect() as connection:
        for file in (home / "lake").rglob("*.parquet"):
            try:
                connection.execute("SELECT count(*) FROM read_parquet($1)", [str(file)]).fetchall()
            except duckdb.Error as error:
                wrong.append(f"{file}: {error}")
    return wrong


def test_a_killed_ingest_is_taken_up_where_it_was(tmp_path: Path) -> None:
    calm = tmp_path / "calm"
    deliver(calm)
    process = begun(calm)
    start = time.monotonic()
    output, _ = process.communicate(timeout=300)
    span = time.monotonic() - start
    assert process.returncode == 0, output
    undisturbed = in_the_lake(calm)
    raw = sum(len(rows) for file, rows in undisturbed.items() if file.startswith("raw/"))
    assert raw == 6 * (60 + 350)  # the 61st person is there twice, 50 events are of unknown people

    rng = random.Random(5)
    killed = rounds = 0
    while killed < KILLS:
        assert rounds < 3 * KILLS
        home = tmp_path / f"round{rounds}"
        deliver(home)
        rounds += 1
        for _ in range(min(KILLS - killed, 5)):
            process = begun(home)
            time.sleep(span * rng.uniform(0.0, 0.9))
            if process.poll() is not None:  # it was quicker, and is done
                process.communicate()
                break
            process.kill()
            process.communicate()
            killed += 1
            assert half_written(home) == []
        process = started(home)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        assert in_the_lake(home) == undisturbed
        for lock in (home / "locks").glob("*.lock"):
            with FileLock(lock, timeout=0):
                pass
    print(f"\n{killed} kills over {rounds} ingests of {span:.1f} s: rows the same")


def test_two_ingests_at_once_land_everything_once(tmp_path: Path) -> None:
    deliver(tmp_path)
    processes = [started(tmp_path), started(tmp_path)]
    said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    one = tmp_path / "one"
    deliver(one)
    ingest(settings_of(one))
    assert in_the_lake(tmp_path) == in_the_lake(one)


def test_an_ingest_that_cannot_wait_refuses_by_words(tmp_path: Path) -> None:
    deliver(tmp_path, days=1)
    (tmp_path / "locks").mkdir()
    with FileLock(tmp_path / "locks" / "landing-people.lock"):
        process = started(tmp_path, lock_seconds=0)
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "another process is landing people" in output and "Traceback" not in output


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
    )
    if mount.returncode != 0:
        pytest.skip("this machine lets no test mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_and_leaves_the_last_state(tmp_path: Path, small_disk: Path) -> None:
    deliver(tmp_path, days=2)
    settings = settings_of(tmp_path, small_disk / "lake")
    ingest(settings)
    before = state_of(small_disk)
    room = small_disk / "filler"
    with pytest.raises(OSError, match="No space"), room.open("wb", buffering=0) as handle:
        while handle.write(b"x" * 4096):
            pass
    people = header("people") + "".join(person(f"p{n}") for n in range(60))
    (tmp_path / "landing" / "people_2026-10-09.csv").write_text(people)
    with pytest.raises(Problem, match="cannot be written: No space left on device"):
        ingest(settings)
    assert state_of(small_disk) == before
    room.unlink()
    ingest(settings)
    assert len(state_of(small_disk)["raw"]) == len(before["raw"]) + 1


def test_a_read_only_lake_is_said_and_leaves_the_last_state(
    tmp_path: Path, small_disk: Path
) -> None:
    deliver(tmp_path, days=2)
    settings = settings_of(tmp_path, small_disk / "lake")
    ingest(settings)
    before = state_of(small_disk)
    people = header("people") + "".join(person(f"p{n}") for n in range(60))
    (tmp_path / "landing" / "people_2026-10-09.csv").write_text(people)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(Problem, match="cannot be written: Read-only file system"):
        ingest(settings)
    assert state_of(small_disk) == before


def state_of(disk: Path) -> dict[str, dict[str, bytes]]:
    """What readers see of the lake: published rows, manifests, and what is in force."""
    lake = disk / "lake"
    return {
        tree: {
            str(file.relative_to(lake)): file.read_bytes()
            for file in sorted((lake / tree).rglob("*"))
            if file.is_file()
        }
        for tree in ("raw", "deliveries", "in_force", "raw_rejected")
    }
