"""Backups are whole, prove themselves, and are taken while others write."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orchestration.command import cli
from orchestration.feeds.landing import feed_lock
from orchestration.operations import backup as module
from orchestration.operations.backup import MANIFEST, STATE, backup, backups_in, read_backup, verify
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.state import SCHEMA_REVISION, State
from tests.operations.conftest import NOTE, RECORDED


def rows(database: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names
        }


def test_everything_that_cannot_be_rebuilt_is_in_it(settings: Settings, tmp_path: Path) -> None:
    done = backup(settings, tmp_path / "backups")
    folder, home = done.folder, settings.home
    assert rows(folder / STATE) == rows(home / "state" / "state.sqlite")
    for name in ("editions/monthly/2026-09/edition-1/scorecard.json", "charter/programme.csv"):
        assert (folder / name).read_bytes() == (home / name).read_bytes()
    sealed = [f for f in (home / "editions").rglob("*") if f.is_file()]
    assert len([f for f in (folder / "editions").rglob("*") if f.is_file()]) == len(sealed) == 7
    assert (folder / RECORDED).read_text() == '{"record_id": "r-1"}\n'
    runs = home / "dagster" / "history" / "runs.db"
    unpacked = tmp_path / "runs.db"
    packed = folder / "dagster" / "history" / "runs.db.gz"
    unpacked.write_bytes(gzip.decompress(packed.read_bytes()))
    assert rows(unpacked) == rows(runs)
    assert len(rows(unpacked)["runs"]) == 1
    printed = [f.read_text() for f in (folder / "dagster" / "storage").rglob("*.out")]
    assert any("printed by the step" in text for text in printed)
    manifest = read_backup(folder)
    assert manifest == done.manifest
    assert manifest.parts == ("state", "editions", "dagster", "records", "charter")
    assert (manifest.organisation, manifest.revision) == ("Example", SCHEMA_REVISION)
    assert manifest.counts["editions"] == 1 and manifest.counts["ledger"] == 3
    assert manifest.faults == ()
    listed = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
    assert listed == {*manifest.files, MANIFEST}
    assert manifest.bytes == sum((folder / name).stat().st_size for name in manifest.files)
    # it holds addresses
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / STATE).stat().st_mode) == 0o600


def test_the_lake_waits_for_ingest_and_is_whole(settings: Settings, tmp_path: Path) -> None:
    hurried = settings.model_copy(
        update={"duckdb": settings.duckdb.model_copy(update={"lock_timeout_seconds": 0.1})}
    )
    with feed_lock(settings, "people"), pytest.raises(Problem, match="is landing people"):
        backup(hurried, tmp_path / "backups", lake=True)
    assert list((tmp_path / "backups").iterdir()) == []
    done = backup(settings, tmp_path / "backups", lake=True)
    assert (done.folder / NOTE).read_bytes() == b"of the day"
    lake = {f.relative_to(settings.home).as_posix() for f in (settings.home / "lake").rglob("*.*")}
    assert {name for name in done.manifest.files if name.startswith("lake/")} == lake


def test_what_is_half_written_is_not_in_it(settings: Settings, tmp_path: Path) -> None:
    """Two rows of one transaction: in every copy there are both or neither."""
    stop = threading.Event()

    def write() -> None:
        with State.open(settings) as state:
            for number in range(100_000):
                if stop.is_set():
                    return
                state.plan("pair", str(number), ["a@example.org", "b@example.org"])

    writer = threading.Thread(target=write)
    writer.start()
    seen = [0]
    try:
        with State.open(settings) as state:
            for number in range(3):
                while len(state.ledger_rows("pair")) < 2 * seen[-1] + 20:
                    pass
                module.copy_state(state, tmp_path / f"{number}.sqlite")
                pairs: dict[str, int] = {}
                for row in rows(tmp_path / f"{number}.sqlite")["ledger"]:
                    if row[1] == "pair":
                        pairs[row[2]] = pairs.get(row[2], 0) + 1
                assert set(pairs.values()) == {2}
                assert len(pairs) > seen[-1]
                seen.append(len(pairs))
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("damage", ["byte", "missing", "added", "list", "no list"])
def test_a_damaged_backup_is_told_by_the_file(
    settings: Settings, tmp_path: Path, damage: str
) -> None:
    folder = backup(settings, tmp_path / "backups").folder
    edition = folder / "editions/monthly/2026-09/edition-1"
    named = edition / "scorecard.json"
    if damage == "byte":
        named.write_bytes(named.read_bytes().replace(b"09", b"08", 1))
    elif damage == "missing":
        named.unlink()
    elif damage == "added":
        named = edition / "extra.json"
        named.write_text("{}")
    elif damage == "list":
        named = folder / MANIFEST
        named.write_text(named.read_text()[:-40])
    else:
        named = folder / MANIFEST
        named.unlink()
    with pytest.raises(Problem) as caught:
        verify(folder, read_backup(folder))
    assert str(named) in str(caught.value) and "Remedy" in str(caught.value)


def test_a_backup_that_fails_leaves_none_and_the_earlier_ones(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "backups"
    first = backup(settings, to).folder
    (to / ".unfinished-old").mkdir()  # a killed one that somebody else may still be making

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_copy_dagster", full)
    with pytest.raises(Problem, match=r"No space left on device.*earlier backups are untouched"):
        backup(settings, to)
    assert backups_in(to, "Example") == [first]
    assert backups_in(to, "Another") == []
    verify(first, read_backup(first))
    assert sorted(place.name for place in to.iterdir()) == [".unfinished-old", first.name]


def test_a_damaged_edition_is_backed_up_and_told(settings: Settings, tmp_path: Path) -> None:
    page = settings.home / "editions/monthly/2026-09/edition-1/email.html"
    page.chmod(0o644)
    page.write_text("other words")
    done = backup(settings, tmp_path / "backups")
    assert done.manifest.faults == (
        "monthly-2026-09-edition-1: edition 1 of 2026-09 is not as it was sealed",
    )
    verify(done.folder, done.manifest)


@pytest.mark.parametrize("inside", ["state", "editions/backups", "lake"])
def test_a_backup_does_not_lie_in_what_it_copies(settings: Settings, inside: str) -> None:
    with pytest.raises(Problem, match="cannot lie inside"):
        backup(settings, settings.home / inside)
    assert backup(settings, settings.home / "backups").folder.is_dir()


def test_the_command_says_what_it_did(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.operations.commands.load_settings", lambda: settings)
    shutil.rmtree(settings.home / "lake")
    done = CliRunner().invoke(cli, ["backup", str(tmp_path / "backups")])
    (folder,) = backups_in(tmp_path / "backups", "Example")
    files = len(read_backup(folder).files)
    first, second, third, fourth = done.output.splitlines()
    assert first == f"Backup: {folder}"
    assert second == "  1 editions, 1 intents, 3 messages"
    assert "state, editions, dagster, records, charter (the lake only with --lake)" in third
    assert fourth.startswith(f"  {files} files, ") and fourth.endswith("is the same")
