"""A restored home is as it was backed up, and sends nothing a second time."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterRunStatus, RunsFilter
from dagster._daemon.types import DaemonHeartbeat

from orchestration.alerts.reaper import process_tag
from orchestration.command import cli
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver, seal, verify
from orchestration.operations import restore as module
from orchestration.operations.backup import (
    MANIFEST,
    STATE,
    BackupManifest,
    backup,
    described,
    rows_of,
)
from orchestration.operations.backup import read_backup as read
from orchestration.operations.restore import restore
from orchestration.problems import Problem
from orchestration.runs import instance_environment, project_instance
from orchestration.scorecard.since import since_file
from orchestration.settings import PathSettings, Settings
from orchestration.state import IntentStatus, SendStatus, State
from tests.delivery.conftest import PROVENANCE, make_audience, make_draft, make_settings
from tests.operations.conftest import (
    NOTE,
    OCTOBER,
    READERS,
    RECORDED,
    SEPTEMBER,
    greeting,
    outbox,
    send,
)
from tests.operations.test_backup import rows
from tests.postgresql import Server, sqlalchemy_url

UPGRADES = Path(__file__).parent.parent / "upgrades"


@pytest.fixture
def yesterday(settings: Settings, tmp_path: Path) -> Path:
    """A backup that was taken before October's review went out."""
    return backup(settings, tmp_path / "backups").folder


def test_an_empty_home_gets_everything_back(
    settings: Settings, yesterday: Path, tmp_path: Path
) -> None:
    new = make_settings(tmp_path / "elsewhere")
    done = restore(new, yesterday)
    assert (done.replaced, done.forgotten, done.intents, done.messages) == (None, (), 0, 0)
    assert done.faults == ()
    with State.open(settings) as old, State.open(new) as state:
        assert state.ledger_rows() == old.ledger_rows()
        (edition,) = state.editions()
        verify(edition)
        assert Path(edition.folder).is_relative_to(new.home)
        assert not os.access(Path(edition.folder) / "email.html", os.W_OK) or os.geteuid() == 0
        assert (Path(edition.folder) / "email.html").stat().st_mode & 0o222 == 0
    with project_instance(new) as instance:
        (run,) = instance.get_runs()
        assert (run.job_name, run.status) == ("greeting", DagsterRunStatus.SUCCESS)
        assert instance.all_logs(run.run_id)
    assert (new.landing_folder / RECORDED).read_text() == '{"record_id": "r-1"}\n'
    assert "October" not in (new.home / "archive" / "index.html").read_text()
    assert "September 2026" in (new.home / "archive" / "index.html").read_text()
    left = {place.name for place in new.home.iterdir()}
    assert not {name for name in left if name.startswith((".restoring", "replaced"))}


@pytest.mark.parametrize("lake", [False, True])
def test_what_reads_otherwise_than_an_edition_comes_back_with_what_says_it(
    settings: Settings, tmp_path: Path, lake: bool
) -> None:
    def since(home: Path) -> Path:
        return since_file(home / "editions" / "monthly" / SEPTEMBER.id / "edition-1")

    since(settings.home).write_bytes(b"[]")
    folder = backup(settings, tmp_path / "backups", lake=lake).folder
    new = make_settings(tmp_path / "elsewhere")
    assert restore(new, folder).faults == ()
    assert since(new.home).read_bytes() == b"[]"
    # over a home whose figures moved on meanwhile: they stay where the lake does
    since(settings.home).write_bytes(b"[ ]")
    assert restore(settings, folder, replace=True).faults == ()
    assert since(settings.home).read_bytes() == (b"[]" if lake else b"[ ]")


def test_what_was_sent_since_is_not_sent_again(settings: Settings, yesterday: Path) -> None:
    """The backup knows nothing of October, which went out after it."""
    send(settings, OCTOBER)
    sent = outbox(settings)
    assert len(sent) == 6
    done = restore(settings, yesterday, replace=True)
    assert done.forgotten == ("monthly/2026-10/edition-1",)
    draft = settings.home / "drafts" / "monthly" / OCTOBER.id
    channel = open_channel(settings)
    with State.open(settings) as state:
        assert state.latest_edition("monthly", OCTOBER.id) is None
        # what the schedule does at its next tick, and what a person does by `run`
        for opened_by in ("schedule", "person"):
            intent = state.open_intent("monthly", OCTOBER.id, opened_by=opened_by)
            assert (intent.status, intent.held_by) == (IntentStatus.HELD, "person")
            with pytest.raises(Problem, match="it may have been sent since"):
                seal(state, settings, "monthly", OCTOBER, draft, make_audience(*READERS),
                     PROVENANCE)  # fmt: skip
        assert outbox(settings) == sent
        # a person who knows better lets it out
        state.release_intent(intent.intent_id, by="person")
        edition = seal(
            state, settings, "monthly", OCTOBER, draft, make_audience(*READERS), PROVENANCE
        )
        assert deliver(state, settings, edition, channel, "run").sent == 3
        # what it knew as sent stays sent
        assert state.open_intent("monthly", SEPTEMBER.id, opened_by="schedule").status == "settled"
        assert {row.status for row in state.ledger_rows()} == {SendStatus.ACCEPTED}


def test_what_was_being_sent_when_it_was_taken_waits_one_by_one(
    settings: Settings, tmp_path: Path
) -> None:
    """Taken in the middle of a delivery: one accepted, one at the channel, one not yet planned."""
    with State.open(settings) as state:
        draft = make_draft(settings.home / "drafts" / "monthly" / OCTOBER.id)
        state.open_intent("monthly", OCTOBER.id, opened_by="schedule")
        edition = seal(
            state, settings, "monthly", OCTOBER, draft, make_audience(*READERS), PROVENANCE
        )
        state.plan("edition", edition.edition_id, READERS[:2])
        first, second = state.ledger_rows("edition", edition.edition_id)
        for row in (first, second):
            assert state.claim(row, run_id="r", holder="h", intent_id=edition.intent_id)
        assert state.finish(first, holder="h", status=SendStatus.ACCEPTED)
    folder = backup(settings, tmp_path / "backups").folder
    before = outbox(settings)
    done = restore(settings, folder, replace=True)
    assert (done.intents, done.messages) == (1, 2)
    with State.open(settings) as state:
        assert state.release_intent(edition.intent_id, by="person").status is IntentStatus.OPEN
        report = deliver(state, settings, edition, open_channel(settings), "run")
        assert (report.sent, report.accepted, report.unknown) == (0, 1, 2)
        assert outbox(settings) == before
        state.decide("edition", edition.edition_id, READERS[1], "accepted", why="she has it")
        state.decide("edition", edition.edition_id, READERS[2], "resend", why="he has it not")
        report = deliver(state, settings, edition, open_channel(settings), "run")
        assert (report.sent, report.accepted, report.settled) == (1, 3, True)


def test_a_home_in_use_is_left_alone_unless_it_is_said(settings: Settings, yesterday: Path) -> None:
    send(settings, OCTOBER)
    before = rows(settings.home / "state" / "state.sqlite")
    with pytest.raises(Problem, match=r"in use: it has a state database, sealed editions, a Dag"):
        restore(settings, yesterday)
    assert rows(settings.home / "state" / "state.sqlite") == before
    more = settings.landing_folder / "records" / "records_2026-11-09_001.jsonl"
    more.write_text('{"record_id": "r-2"}\n')
    (settings.landing_folder / RECORDED).write_text('{"record_id": "r-1"}\n{"record_id": "r-3"}\n')
    done = restore(settings, yesterday, replace=True)
    # nothing of it is lost
    assert done.replaced is not None
    assert rows(done.replaced / STATE) == before
    assert (done.replaced / "editions/monthly/2026-10/edition-1/email.html").is_file()
    assert (done.replaced / "dagster/history/runs.db").is_file()
    # and what people recorded since is kept
    assert more.read_text() == '{"record_id": "r-2"}\n'
    assert "r-3" in (settings.landing_folder / RECORDED).read_text()
    assert (settings.home / NOTE).read_bytes() == b"of the day"


def test_the_lake_is_replaced_where_the_backup_has_one(settings: Settings, tmp_path: Path) -> None:
    folder = backup(settings, tmp_path / "backups", lake=True).folder
    place = (settings.home / NOTE).parent
    (settings.home / NOTE).write_bytes(b"of today")
    (place / "more.json").write_bytes(b"of today")
    (settings.home / "warehouse").mkdir(exist_ok=True)
    settings.warehouse_file.write_bytes(b"built from the lake of today")
    done = restore(settings, folder, replace=True)
    assert done.replaced is not None
    assert {f.name: f.read_bytes() for f in place.iterdir()} == {"note.json": b"of the day"}
    assert (done.replaced / "lake/closes/month/more.json").is_file()
    assert not settings.warehouse_file.exists()  # it is built again from this lake


def test_what_is_alive_is_not_replaced(settings: Settings, yesterday: Path) -> None:
    with project_instance(settings) as instance:
        run = instance.create_run_for_job(greeting, tags=process_tag(), status=_STARTED)
    with pytest.raises(Problem, match="a run of greeting is under way"):
        restore(settings, yesterday, replace=True)
    with project_instance(settings) as instance:
        instance.report_run_failed(run)
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 20, "SENSOR", "id", []))
    with pytest.raises(Problem, match=r"at work 2\d seconds ago.*stop the service"):
        restore(settings, yesterday, replace=True)
    with project_instance(settings) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 120, "SENSOR", "id", []))
    environment = {**os.environ, **instance_environment(settings)}
    service = subprocess.Popen(
        [sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE
    )
    with service, pytest.raises(Problem, match=rf"is running \(process {service.pid} of this"):
        restore(settings, yesterday, replace=True)  # it may be stopping, and beat no more
    assert restore(settings, yesterday, replace=True).faults == ()


_STARTED = DagsterRunStatus.STARTED


def test_runs_that_were_under_way_are_over(settings: Settings, tmp_path: Path) -> None:
    """Else the schedules would wait for a close that runs for ever."""
    with project_instance(settings) as instance:
        for status in (DagsterRunStatus.NOT_STARTED, _STARTED):
            instance.create_run_for_job(greeting, status=status, tags={"of": "old"})
    folder = backup(settings, tmp_path / "backups").folder
    done = restore(settings, folder, replace=True)
    assert done.runs_ended == 2
    with project_instance(settings) as instance:
        old = instance.get_runs(RunsFilter(tags={"of": "old"}))
        assert {run.status for run in old} == {DagsterRunStatus.CANCELED}


def test_a_lake_that_cannot_be_read_stops_no_restore(settings: Settings, yesterday: Path) -> None:
    (settings.home / "lake/in_force/people.parquet").write_bytes(b"no table")
    done = restore(settings, yesterday, replace=True)
    (fault,) = done.faults
    assert fault.startswith("the archive still shows what was there before: ")
    with State.open(settings) as state:
        assert len(state.editions()) == 1


def test_a_damaged_state_database_is_put_aside_and_replaced(
    settings: Settings, yesterday: Path
) -> None:
    file = settings.home / "state" / "state.sqlite"
    file.write_bytes(b"no database any more" * 400)
    done = restore(settings, yesterday, replace=True)
    assert done.replaced is not None
    assert (done.replaced / STATE).read_bytes().startswith(b"no database")
    with State.open(settings) as state:
        assert len(state.editions()) == 1


def test_a_backup_of_an_older_version_is_brought_up(settings: Settings, yesterday: Path) -> None:
    """Its database was written before restores were known."""
    (yesterday / STATE).unlink()
    with closing(sqlite3.connect(yesterday / STATE)) as old:
        old.executescript((UPGRADES / "0004.sql").read_text(encoding="utf-8"))
    relist(yesterday, STATE)
    done = restore(settings, yesterday, replace=True)
    # two reviews and a kit were pending; one message at the channel, two planned, one yet to be
    assert (done.intents, done.messages) == (3, 4)
    assert all("is not as it was sealed" in fault for fault in done.faults)  # files
    with State.open(settings) as state:
        assert {intent.held_by for intent in state.pending_intents()} == {"person"}
        assert {row.status for row in state.ledger_rows("edition")} == {
            SendStatus.ACCEPTED, SendStatus.FAILED, SendStatus.UNKNOWN}  # fmt: skip
        opened = state.open_intent("monthly", "2026-08", opened_by="schedule")
        assert opened.held_by == "person"


def relist(folder: Path, name: str) -> None:
    """Have the backup's list say what the file is now."""
    listed = json.loads((folder / MANIFEST).read_text())
    listed["files"][name] = described(folder / name).model_dump()
    (folder / MANIFEST).write_text(BackupManifest.model_validate(listed).model_dump_json())


@pytest.mark.parametrize("back_into", ["postgresql", "sqlite"])
def test_postgresql_is_backed_up_into_a_file_that_either_takes(
    settings: Settings, tmp_path: Path, postgresql: Server, back_into: str
) -> None:
    home = tmp_path / "elsewhere"
    url = sqlalchemy_url(postgresql.database(f"restored_{back_into}"))
    served = make_settings(home).model_copy(update={"paths": PathSettings(home=home, state=url)})
    send(served, SEPTEMBER)
    with State.open(served) as state:
        before = rows_of(state)
    folder = backup(served, tmp_path / "backups").folder
    send(served, OCTOBER)
    into = served if back_into == "postgresql" else make_settings(tmp_path / "file")
    assert restore(into, folder, replace=True).faults == ()
    with State.open(into) as state:
        after = rows_of(state)
        for name in before:
            if name != "restores":
                assert after[name] == before[name]
        opened = state.open_intent("monthly", OCTOBER.id, opened_by="schedule")
        assert (opened.intent_id, opened.held_by) == (2, "person")


def test_a_backup_that_cannot_be_trusted_changes_nothing(
    settings: Settings, yesterday: Path
) -> None:
    page = yesterday / "editions/monthly/2026-09/edition-1/email.html"
    page.write_text("other words")
    before = rows(settings.home / "state" / "state.sqlite")
    with pytest.raises(Problem, match="not as it was backed up"):
        restore(settings, yesterday, replace=True)
    other = settings.model_copy(
        update={"organisation": settings.organisation.model_copy(update={"name": "Another"})}
    )
    with pytest.raises(Problem, match="of Example, these settings are of Another"):
        restore(other, yesterday, replace=True)
    with pytest.raises(Problem, match="no whole backup"):
        restore(settings, yesterday.parent, replace=True)
    assert rows(settings.home / "state" / "state.sqlite") == before


@pytest.mark.parametrize("dies_in", ["_restore_state", "_sealed_since", "_swap", "_add_missing"])
def test_interrupted_anywhere_nothing_is_sent_and_it_ends_when_repeated(
    settings: Settings, yesterday: Path, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    send(settings, OCTOBER)
    with monkeypatch.context() as patch:

        def dies(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(module, dies_in, dies)
        with pytest.raises(KeyboardInterrupt):
            restore(settings, yesterday, replace=True)
    with State.open(settings) as state:
        found = state.open_intent("monthly", OCTOBER.id, opened_by="schedule")
        # as it was, or restored; never such that October could go out once more
        assert (found.status, found.held_by) in (("settled", None), ("held", "person"))
    done = restore(settings, yesterday, replace=True)
    assert done.faults == () and done.replaced is not None
    with State.open(settings) as state:
        assert [each.period_id for each in state.editions()] == [SEPTEMBER.id]
        verify(state.editions()[0])


def test_the_commands_tell_an_operator_what_waits(
    settings: Settings, yesterday: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("operations.commands", "delivery.commands"):
        monkeypatch.setattr(f"orchestration.{place}.load_settings", lambda: settings)

    def tell(*arguments: str) -> str:
        done = CliRunner().invoke(cli, list(arguments))
        assert done.exit_code == 0, done.output
        return done.output

    send(settings, OCTOBER)
    said = tell("restore", str(yesterday), "--replace")
    assert "Sealed after the backup, so the state does not know it: monthly/2026-10/edition" in said
    assert "The lake was not in it and was left as it is." in said
    assert "no pending reviews, no messages, and every review of a period that is over" in said
    assert tell("intents", "list") == "0 pending.\n"
    with State.open(settings) as state:
        state.open_intent("monthly", OCTOBER.id, opened_by="schedule")
    taken = f"{read(yesterday).taken_at:%Y-%m-%d %H:%M}"
    assert tell("intents", "list") == (
        f"monthly 2026-10  held by person: restored from a backup of {taken} UTC; "
        "it may have been sent since\n1 pending.\n"
    )
    assert "is open" in tell("intents", "release", "monthly", "2026-10")
    assert "is held" in tell("intents", "hold", "monthly", "2026-10", "--why", "asking")
    assert "cancelled" in tell("intents", "cancel", "monthly", "2026-10", "--why", "it was sent")
    missing = CliRunner().invoke(cli, ["intents", "release", "monthly", "2026-10"])
    assert isinstance(missing.exception, Problem)


def test_repeating_a_restore_keeps_each_replaced_home(settings: Settings, yesterday: Path) -> None:
    first = restore(settings, yesterday, replace=True)
    shutil.rmtree(settings.home / "editions")
    second = restore(settings, yesterday, replace=True)
    assert first.replaced != second.replaced
    assert first.replaced is not None and (first.replaced / "editions").is_dir()
    assert (settings.home / "editions").is_dir()
