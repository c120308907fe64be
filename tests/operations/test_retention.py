"""What is old is removed by kind; editions, ledger, raw and what is pending never."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)

from orchestration.command import cli
from orchestration.lake import Lake
from orchestration.operations.backup import backup, backups_in
from orchestration.operations.retention import Removal, due, remove
from orchestration.periods import Grain
from orchestration.quality.publish import damage
from orchestration.runs import project_instance
from orchestration.settings import BackupSettings, RetentionSettings, Settings
from orchestration.state import State
from orchestration.warehouse.published import _write_index
from tests.operations.conftest import OCTOBER, greeting, send
from tests.quality.small_deliveries import LANDED_AT, manifest_of, stage

NOW = datetime.now(UTC)
IN_A_YEAR = NOW + timedelta(days=500)


def kept(settings: Settings, **days: int | None) -> Settings:
    """Settings that keep everything for ever, but for what is named."""
    ever: dict[str, int | None] = dict.fromkeys(
        ("run_days", "tick_days", "log_days", "quarantine_days", "outbox_days", "draft_days")
    )
    return settings.model_copy(
        update={"retention": RetentionSettings(**{**ever, **days})}  # type: ignore[arg-type]
    )


def age(place: Path, days: float) -> None:
    then = time.time() - days * 86_400
    for file in [place, *place.rglob("*")]:
        os.utime(file, (then, then))


def removals(settings: Settings, now: datetime = NOW) -> list[Removal]:
    with project_instance(settings) as instance:
        return due(settings, instance, now)


def hashes(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith(("-wal", "-shm", ".lock"))
    }


def test_by_default_nothing_young_is_removed(settings: Settings) -> None:
    assert removals(settings) == []


def test_logs_and_outbox_by_the_age_of_the_file(settings: Settings) -> None:
    logs, box = settings.home / "logs", settings.home / "outbox"
    logs.mkdir(exist_ok=True)
    for name, days in (("ingest-old.log", 91), ("ingest-new.log", 89)):
        (logs / name).write_text("words")
        age(logs / name, days)
    mails = sorted(box.glob("*.eml"))
    age(mails[0], 401)
    found = removals(kept(settings, log_days=90, outbox_days=400))
    assert [(len(each.items), each.bytes) for each in found] == [
        (1, 5),
        (1, mails[0].stat().st_size),
    ]
    assert found[0].items[0].startswith("logs/ingest-old.log, 20")
    remove(found)
    assert [file.name for file in logs.iterdir()] == ["ingest-new.log"]
    assert sorted(box.glob("*.eml")) == mails[1:]
    assert removals(kept(settings, log_days=90, outbox_days=400)) == []


def test_drafts_of_what_is_over_and_nothing_that_waits(settings: Settings) -> None:
    root = settings.home / "drafts"
    send(settings, OCTOBER)
    send(settings, OCTOBER.shift(-3))
    # where an older version kept what reads otherwise than the edition
    (root / "monthly" / "2026-07" / "restatements.json").write_text("[]")
    for place in (
        "monthly/2026-08",  # archived unsent: the archive shows it
        "monthly/2026-11",
        "monthly_kit/2026-08",
        "monthly_kit/2026-11",
        "monthly_preview/2026-11",
        "leaders/monthly",
    ):
        (root / place).mkdir(parents=True)
        (root / place / "letters.json").write_text("[]")
    for period in ("2026-08", "2026-11"):
        (root / "leaders" / "monthly" / f"{period}.json").write_text("[]")
    (root / "leaders" / "monthly" / "letters.json").unlink()
    with State.open(settings) as state:
        state.open_intent("monthly_kit", "2026-11", opened_by="schedule")
    age(root, 95)
    age(root / "monthly" / "2026-09", 80)
    found = removals(kept(settings, draft_days=90))
    (removal,) = found
    assert {item.rpartition(",")[0] for item in removal.items} == {
        "drafts/monthly/2026-10",
        "drafts/monthly_kit/2026-08",
        "drafts/monthly_preview/2026-11",
        "drafts/leaders/monthly/2026-08.json",
    }
    remove(found)
    left = {
        place.relative_to(root).as_posix() for place in root.glob("*/*") if place.name != "leaders"
    }
    assert left == {
        "monthly/2026-07",
        "monthly/2026-08",
        "monthly/2026-09",
        "monthly/2026-11",
        "monthly_kit/2026-11",
        "leaders/monthly",
    }
    assert [file.name for file in (root / "leaders" / "monthly").iterdir()] == ["2026-11.json"]


def test_runs_go_with_their_events_files_and_prints(settings: Settings) -> None:
    old = kept(settings, run_days=400)
    with project_instance(settings) as instance:
        (run,) = instance.get_runs()
        folder = settings.home / "dagster"
        shard = folder / "history" / "runs" / f"{run.run_id}.db"
        assert shard.exists() and (folder / "storage" / run.run_id).is_dir()
        assert due(old, instance, NOW) == []
        again = greeting.execute_in_process(instance=instance)
        started = instance.create_run_for_job(greeting)  # one that is not over stays
        found = due(old, instance, IN_A_YEAR)
        assert [each.items for each in found] == [("greeting: 2 runs",)]
        assert found[0].bytes > shard.stat().st_size
        remove(found)
        assert [each.run_id for each in instance.get_runs()] == [started.run_id]
        gone = {run.run_id, again.run_id}
        assert [f for f in folder.rglob("*") if any(name in str(f) for name in gone)] == []
        assert not instance.all_logs(again.run_id)
    with closing(sqlite3.connect(folder / "history" / "runs" / "index.db")) as index:
        assert index.execute("SELECT count(*) FROM event_logs").fetchone() == (0,)


def test_ticks_by_their_time(settings: Settings) -> None:
    with project_instance(settings) as instance:
        state = _schedule(instance)
        for days in (31, 29):
            instance.create_tick(
                TickData(
                    state.instigator_origin_id,
                    "monthly_close_schedule",
                    InstigatorType.SCHEDULE,
                    TickStatus.SKIPPED,
                    time.time() - days * 86_400,
                    selector_id=state.selector_id,
                )
            )
        found = due(kept(settings, tick_days=30), instance, NOW)
        assert [each.items for each in found] == [("monthly_close_schedule: 1 ticks",)]
        remove(found)
        (left,) = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        assert left.timestamp > time.time() - 30 * 86_400


def _schedule(instance: DagsterInstance) -> InstigatorState:
    from dagster._core.remote_origin import (
        InProcessCodeLocationOrigin,
        RemoteInstigatorOrigin,
        RemoteRepositoryOrigin,
    )
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    location = InProcessCodeLocationOrigin(
        LoadableTargetOrigin(executable_path="python", module_name="orchestration.definitions")
    )
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(location, "__repository__"), "monthly_close_schedule"
    )
    state = InstigatorState(
        origin,
        InstigatorType.SCHEDULE,
        InstigatorStatus.RUNNING,
        ScheduleInstigatorData("0 7 * * *", time.time()),
    )
    instance.add_instigator_state(state)
    return state


def test_quarantined_rows_lose_what_they_say_and_keep_their_number(settings: Settings) -> None:
    lake = Lake(settings.lake_url, settings.duckdb)
    old = stage(lake, manifest_of("activity", date(2025, 6, 30), rejected=3))
    late = manifest_of("activity", date(2025, 7, 31), rejected=2)
    new = stage(lake, late.model_copy(update={"landed_at": NOW}))
    found = removals(kept(settings, quarantine_days=180), NOW)
    assert [each.items for each in found] == [("activity 2025-06-30.001: 3 rows",)]
    assert old.landed_at == LANDED_AT < NOW - timedelta(days=180)
    remove(found)
    with lake.connect() as connection:
        rows = connection.execute(
            "SELECT delivery_id, row_number, reason, row_json FROM read_parquet($1) ORDER BY ALL",
            [[lake.path(file) for file in lake.files("raw_rejected", "activity")]],
        ).fetchall()
    secret = '{"secret": 1}'
    assert rows == [
        *((old.delivery_id, n, "unknown person", None) for n in (1, 2, 3)),
        *((new.delivery_id, n, "unknown person", secret) for n in (1, 2)),
    ]
    assert damage(lake, "activity", [old, new]) == {}  # rows in = accepted + rejected, as before
    assert removals(kept(settings, quarantine_days=180), NOW) == []


def test_what_a_killed_build_left_goes_and_what_is_published_stays(settings: Settings) -> None:
    lake = Lake(settings.lake_url, settings.duckdb)
    for build in ("aa", "bb"):
        lake.write_bytes(b"rows", "published", "month", "2026-10", build, "kpi_values.parquet")
    _write_index(lake, Grain.MONTH, {"2026-10": "bb"})
    found = removals(kept(settings))
    assert [each.items for each in found] == [("published/month/2026-10/aa",)]
    remove(found)
    assert lake.files("published", "month") == ["published/month/2026-10/bb/kpi_values.parquet"]


def test_what_was_never_written_to_its_end_goes_after_a_day(settings: Settings) -> None:
    home = settings.home
    names = ("lake/late/noted.json.1.tmp", "drafts/monthly/.page.html.2.tmp", "landing/theirs.tmp")
    for name in (*names, "lake/versions/people.parquet.3.tmp"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_bytes(b"half")
        age(home / name, 1.1 if name in names else 0.9)
    (found,) = removals(kept(settings))
    assert found.bytes == 8
    remove([found])
    left = {f.relative_to(home).as_posix() for f in home.rglob("*.tmp")}
    assert left == {"landing/theirs.tmp", "lake/versions/people.parquet.3.tmp"}


def test_only_the_newest_backups_are_kept(settings: Settings, tmp_path: Path) -> None:
    to = tmp_path / "backups"
    made = [backup(settings, to).folder]
    for number in range(2, 5):
        name = f"{made[0].name[:-3]}{90 + number}Z"  # later, by its name
        (to / name).mkdir()
        (to / name / "backup.json").write_bytes((made[0] / "backup.json").read_bytes())
        made.append(to / name)
    (to / "notes").mkdir()
    few = kept(settings).model_copy(update={"backup": BackupSettings(folder=to, keep=3)})
    found = removals(few)
    assert [each.items for each in found] == [(str(made[0]),)]
    remove(found)
    assert backups_in(to, "Example") == made[1:]
    assert (to / "notes").is_dir()


def test_what_counts_is_never_removed(settings: Settings) -> None:
    """However long ago: editions, state, raw, what figures stand on, what people recorded."""
    lake = Lake(settings.lake_url, settings.duckdb)
    stage(lake, manifest_of("people", date(2025, 6, 30)))
    protected = ("editions", "state", "lake", "landing", "charter")
    age(settings.home, 5000)
    before = {name: hashes(settings.home / name) for name in protected}
    found = removals(settings, NOW + timedelta(days=5000))
    assert {each.what.split()[0] for each in found} == {"Runs", "Mail", "Drafts"}
    remove(found)
    assert {name: hashes(settings.home / name) for name in protected} == before


def test_a_dry_run_says_it_and_removes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.operations.commands.load_settings", lambda: settings)
    said = CliRunner().invoke(cli, ["retention"]).output
    assert said == "Nothing has been kept for longer than the settings say.\n"
    logs = settings.home / "logs"
    logs.mkdir(exist_ok=True)
    for number in range(25):
        (logs / f"{number:02d}.log").write_text("x" * 100)
    age(logs, 100)
    dry = CliRunner().invoke(cli, ["retention", "--dry-run"]).output.splitlines()
    assert dry[0].startswith("Logs from before 20") and dry[0].endswith(": 25, 2.5 KB")
    assert dry[-2:] == ["  and 5 more", "Nothing was removed: this was a dry run."]
    assert len(list(logs.iterdir())) == 25
    wet = CliRunner().invoke(cli, ["retention"]).output.splitlines()
    assert wet[:-1] == dry[:-1] and wet[-1] == "All of it was removed."
    assert list(logs.iterdir()) == []
