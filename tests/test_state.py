"""The state database: migrations, transitions that only one can make, and what they refuse."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from orchestration import state as state_module
from orchestration.problems import Problem
from orchestration.state import (
    SCHEMA_REVISION,
    FrozenRecipient,
    IntentStatus,
    LedgerRow,
    ProviderEvent,
    Report,
    SendStatus,
    State,
    holder_is_dead,
    metadata,
    new_holder,
)
from tests.delivery.conftest import Clock
from tests.postgresql import Server, sqlalchemy_url

MIGRATIONS = Path(state_module.__file__).parent / "migrations"


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'state' / 'state.sqlite'}"


@pytest.fixture(scope="module")
def postgresql_url(postgresql: Server) -> str:
    return sqlalchemy_url(postgresql.database("state"))


@pytest.fixture(params=["sqlite", "postgresql"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    if request.param == "sqlite":
        url = url_of(tmp_path)
    else:
        url = request.getfixturevalue("postgresql_url")
    with State.at(url, tmp_path) as opened:
        yield opened
        if request.param == "postgresql":
            with opened._engine.begin() as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(table.delete())


def plan(state: State, *recipients: str) -> list[LedgerRow]:
    state.plan("edition", "e1", recipients)
    return state.ledger_rows("edition", "e1")


def status(state: State) -> dict[str, str]:
    return {row.recipient: row.status for row in state.ledger_rows()}


def commit_edition(state: State, intent: Any, number: int = 1) -> None:
    """An edition's row, without a folder."""
    with state.sealing(intent) as sealing:
        sealing.commit(
            {
                "edition_id": f"e{number}",
                "intent_id": intent.intent_id,
                "ritual": intent.ritual,
                "period_id": intent.period_id,
                "number": number,
                "sealed_at": state.now(),
                "folder": f"editions/e{number}",
                "subject": "Review",
                **dict.fromkeys(
                    (
                        "content_hash",
                        "figures_hash",
                        "manifest_hash",
                        "settings_hash",
                        "charter_hash",
                        "code_version",
                    ),
                    "x",
                ),
            },
            [FrozenRecipient("a@x.org", "A@x.org", "sponsor")],
        )


# ---- opening -------------------------------------------------------------------------------


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_REVISION]


def test_migrations_give_the_tables_the_code_has(state: State) -> None:
    with state._read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_opened_by_many_at_once_it_is_migrated_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(6)

    def open_it(_: int) -> int:
        barrier.wait()
        with State.at(url_of(tmp_path), tmp_path) as state:
            state.open_intent("monthly", "2026-10", opened_by="schedule")
            return len(state.pending_intents())

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(open_it, range(6))) == [1] * 6


def test_who_is_erased_from_the_ledger_leaves_no_event(state: State) -> None:
    (row,) = plan(state, "a@x.org")
    assert state.report([ProviderEvent("id", row.ledger_id, Report.BOUNCE, state.now())]) == 1
    with state._write() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")
        assert connection.exec_driver_sql("SELECT * FROM provider_events").all() == []


def test_sqlite_is_private_durable_and_keeps_foreign_keys(tmp_path: Path) -> None:
    with State.at(url_of(tmp_path), tmp_path) as state, state._read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30000
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    file = tmp_path / "state" / "state.sqlite"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_half_migration_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import alembic.op

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(alembic.op, "create_index", dies)
        with pytest.raises(KeyboardInterrupt):
            State.at(url_of(tmp_path), tmp_path)
    file = tmp_path / "state" / "state.sqlite"
    assert sqlite3.connect(file).execute("SELECT * FROM sqlite_master").fetchall() == []
    State.at(url_of(tmp_path), tmp_path).close()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    State.at(url_of(tmp_path), tmp_path).close()
    file = tmp_path / "state" / "state.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Problem, match="another version"):
        State.at(url_of(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("what is this", "not an SQLAlchemy URL"),
        ("nosuch://host/db", "no driver"),
        ("sqlite:////proc/nowhere/state.sqlite", "cannot be created"),
    ],
)
def test_wrong_urls_are_explained(url: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=words):
        State.at(url, tmp_path)


def test_a_password_in_the_url_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        State.at("nosuch://user:canary@host/db", tmp_path)
    assert "canary" not in str(caught.value)


def test_a_file_that_is_no_database_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "state" / "state.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"not a database, whatever it may be called" * 100)
    with pytest.raises(Problem, match="cannot be opened"):
        State.at(url_of(tmp_path), tmp_path)


# ---- intents -------------------------------------------------------------------------------


def test_the_schedule_opens_once_and_never_again(state: State) -> None:
    first = state.open_intent("monthly", "2026-10", opened_by="schedule")
    assert first == state.open_intent("monthly", "2026-10", opened_by="schedule")
    assert first == state.open_intent("monthly", "2026-10", opened_by="person")
    assert state.settled_periods("monthly") == set()
    assert state.settle_intent(first.intent_id)
    assert state.settle_intent(first.intent_id)
    assert state.open_intent("monthly", "2026-10", opened_by="schedule").status == "settled"
    assert state.pending_intents() == []
    assert state.settled_periods("monthly") == {"2026-10"}
    assert state.settled_periods("weekly") == set()


def test_a_person_must_say_that_a_published_review_is_restated(state: State) -> None:
    with pytest.raises(Problem, match="never published"):
        state.open_intent("monthly", "2026-10", opened_by="person", restates=True)
    first = state.open_intent("monthly", "2026-10", opened_by="person")
    commit_edition(state, first)
    with pytest.raises(Problem, match="still pending"):
        state.open_intent("monthly", "2026-10", opened_by="person", restates=True)
    assert not state.settle_intent(first.intent_id)  # its recipient was not even planned
    plan(state, "a@x.org")
    assert not state.settle_intent(first.intent_id)
    state.refuse(state.ledger_rows()[0], "x")
    assert state.settle_intent(first.intent_id)
    with pytest.raises(Problem, match="published already"):
        state.open_intent("monthly", "2026-10", opened_by="person")
    second = state.open_intent("monthly", "2026-10", opened_by="person", restates=True)
    assert second.intent_id != first.intent_id
    assert state.settled_periods("monthly") == set()


def test_one_run_opens_one_intent(state: State) -> None:
    first = state.open_intent("monthly", "2026-10", opened_by="person", run_id="root")
    commit_edition(state, first)
    plan(state, "a@x.org")
    state.refuse(state.ledger_rows()[0], "x")
    state.settle_intent(first.intent_id)
    again = state.open_intent(
        "monthly", "2026-10", opened_by="person", restates=True, run_id="root"
    )
    assert (again.intent_id, again.status) == (first.intent_id, IntentStatus.SETTLED)


def test_what_a_person_held_only_a_person_releases(state: State) -> None:
    intent = state.open_intent("monthly", "2026-10", opened_by="schedule").intent_id
    assert state.hold_intent(intent, "stale feed", by="close").held_by == "close"
    assert state.hold_intent(intent, "not before the board", by="person").held_by == "person"
    assert state.hold_intent(intent, "stale feed", by="close").reason == "not before the board"
    assert state.release_intent(intent, by="close").status == "held"
    assert not state.settle_intent(intent)
    assert state.release_intent(intent, by="person").status == "open"
    assert state.cancel_intent(intent, "no meeting").status == "cancelled"
    with pytest.raises(Problem, match="cancelled"):
        state.release_intent(intent, by="person")
    with pytest.raises(Problem, match="cancelled"):
        state.hold_intent(intent, "x", by="person")


def test_a_cancelled_sealed_edition_goes_on_when_reopened(state: State) -> None:
    first = state.open_intent("monthly", "2026-10", opened_by="schedule")
    commit_edition(state, first)
    state.cancel_intent(first.intent_id, "wrong week")
    assert state.open_intent("monthly", "2026-10", opened_by="schedule").status == "cancelled"
    again = state.open_intent("monthly", "2026-10", opened_by="person")
    assert (again.intent_id, again.status) == (first.intent_id, "open")


def test_only_one_of_many_opens(state: State) -> None:
    barrier = threading.Barrier(8)

    def open_it(_: int) -> int:
        barrier.wait()
        return state.open_intent("monthly", "2026-10", opened_by="person").intent_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(open_it, range(8)))) == 1
    assert len(state.pending_intents()) == 1


# ---- ledger --------------------------------------------------------------------------------


def test_only_one_of_many_claims(state: State) -> None:
    (row,) = plan(state, "a@x.org")
    barrier = threading.Barrier(8)

    def claim(number: int) -> bool:
        barrier.wait()
        return state.claim(row, run_id=f"run-{number}", holder=f"holder-{number}")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(claim, range(8))) == [False] * 7 + [True]
    assert state.ledger_rows()[0].attempts == 1


def test_planning_again_changes_nothing(state: State) -> None:
    assert state.plan("edition", "e1", ["a@x.org", "b@x.org", "a@x.org"]) == 2
    row = state.ledger_rows()[0]
    state.claim(row, run_id="r", holder="h")
    state.finish(row, holder="h", status=SendStatus.ACCEPTED, provider_message_id="m")
    assert state.plan("edition", "e1", ["a@x.org", "c@x.org"]) == 1
    assert state.plan("edition", "e1", []) == 0
    assert status(state) == {"a@x.org": "accepted", "b@x.org": "planned", "c@x.org": "planned"}


def test_a_person_may_get_two_letters_of_one_edition(state: State) -> None:
    letters = [("of-ada", "a@x.org"), ("of-bob", "a@x.org"), ("of-bob", "b@x.org")]
    assert state.plan("edition", "e1", letters) == 3
    assert state.plan("edition", "e1", letters) == 0
    rows = state.ledger_rows("edition", "e1")
    assert [(row.letter, row.recipient) for row in rows] == letters
    state.claim(rows[0], run_id="r", holder="h")
    state.finish(rows[0], holder="h", status=SendStatus.UNKNOWN)
    state.claim(rows[1], run_id="r", holder="h")
    state.finish(rows[1], holder="h", status=SendStatus.UNKNOWN)
    state.decide("edition", "e1", "a@x.org", "accepted", why="she has it", letter="of-bob")
    assert [row.status for row in state.ledger_rows()] == ["unknown", "accepted", "planned"]
    with pytest.raises(Problem, match="unknown"):
        state.decide("edition", "e1", "a@x.org", "accepted", why="which?")


def test_what_an_edition_asks_for_is_recorded_once_it_was_handed_over(state: State) -> None:
    commit_edition(state, state.open_intent("monthly", "2026-10", opened_by="schedule"))
    assert state.unrecorded_editions("monthly") == []  # nobody has it yet
    (row,) = plan(state, "a@x.org")
    state.claim(row, run_id="r", holder="h")
    state.finish(row, holder="h", status=SendStatus.ACCEPTED)
    assert [each.edition_id for each in state.unrecorded_editions("monthly")] == ["e1"]
    assert state.unrecorded_editions("weekly") == []
    state.mark_recorded("e1")
    assert state.unrecorded_editions("monthly") == []


def test_accepted_is_final(state: State) -> None:
    (row,) = plan(state, "a@x.org")
    state.claim(row, run_id="r", holder="h")
    assert state.finish(row, holder="h", status=SendStatus.ACCEPTED)
    assert not state.finish(row, holder="h", status=SendStatus.PLANNED)
    assert not state.claim(row, run_id="r", holder="h")
    assert not state.refuse(row, "x")
    assert state.expire(dead_runs=["r"]) == 0
    for verdict in ("accepted", "failed", "resend"):
        with pytest.raises(Problem):
            state.decide("edition", "e1", "a@x.org", verdict, why="x")
    assert status(state) == {"a@x.org": "accepted"}


def test_only_the_holder_finishes(state: State) -> None:
    (row,) = plan(state, "a@x.org")
    state.claim(row, run_id="r", holder="h")
    assert not state.finish(row, holder="other", status=SendStatus.ACCEPTED)
    assert status(state) == {"a@x.org": "sending"}


def test_a_claim_needs_an_open_intent_and_the_time(state: State) -> None:
    clock = Clock()
    state.now = clock.now
    intent = state.open_intent("monthly", "2026-10", opened_by="schedule").intent_id
    (row,) = plan(state, "a@x.org")
    state.hold_intent(intent, "x", by="person")
    assert not state.claim(row, run_id="r", holder="h", intent_id=intent)
    state.release_intent(intent, by="person")
    assert state.claim(row, run_id="r", holder="h", intent_id=intent)
    later = clock.moment + timedelta(seconds=30)
    state.finish(row, holder="h", status=SendStatus.PLANNED, not_before=later)
    assert not state.claim(row, run_id="r", holder="h", intent_id=intent)
    clock.sleep(30)
    assert state.claim(row, run_id="r", holder="h", intent_id=intent)


def test_leases(state: State) -> None:
    clock = Clock()
    state.now = clock.now
    first, second = plan(state, "a@x.org", "b@x.org")
    state.claim(first, run_id="r", holder="h1", lease=timedelta(seconds=60))
    state.claim(second, run_id="r", holder="h2", lease=timedelta(seconds=60))
    clock.sleep(59)
    assert state.expire() == 0
    assert state.renew("h1", timedelta(seconds=60)) == 1
    clock.sleep(2)
    assert state.expire() == 1
    assert status(state) == {"a@x.org": "sending", "b@x.org": "unknown"}
    # the silent sender was alive after all, and knows
    assert state.renew("h2") == 0
    assert state.finish(second, holder="h2", status=SendStatus.ACCEPTED)
    assert state.expire(dead_runs=["r"]) == 1
    assert status(state) == {"a@x.org": "unknown", "b@x.org": "accepted"}


def test_a_dead_process_is_known_at_once(state: State) -> None:
    (row,) = plan(state, "a@x.org")
    alive = new_holder()
    machine, _, started, random = alive.split("|")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert not holder_is_dead(alive)
    assert not holder_is_dead(f"elsewhere|{pid}|{started}|{random}")
    assert not holder_is_dead("nonsense") and not holder_is_dead(None)
    assert holder_is_dead(f"{machine}|{os.getpid()}|1|{random}")  # the id was given away again
    dead = f"{machine}|{pid}|{started}|{random}"
    state.claim(row, run_id="r", holder=dead)
    assert state.expire() == 1
    assert status(state) == {"a@x.org": "unknown"}


def test_a_persons_word_on_the_unknown(state: State) -> None:
    intent = state.open_intent("monthly", "2026-10", opened_by="schedule")
    commit_edition(state, intent)
    rows = plan(state, "a@x.org", "b@x.org", "c@x.org")
    for row in rows:
        state.claim(row, run_id="r", holder="h")
        state.finish(row, holder="h", status=SendStatus.UNKNOWN, detail="timeout")
    assert state.settle_intent(intent.intent_id)
    state.decide("edition", "e1", "a@x.org", "accepted", why="it is in her inbox")
    state.decide("edition", "e1", "b@x.org", "failed", why="she has left")
    state.decide("edition", "e1", "c@x.org", "resend", why="never came")
    assert list(status(state).values()) == ["accepted", "failed", "planned"]
    assert state.intent(intent.intent_id).status == "open"
    assert not state.finish(rows[2], holder="h", status=SendStatus.ACCEPTED)  # too late to say
    with pytest.raises(Problem):
        state.decide("edition", "e1", "nobody@x.org", "resend", why="x")


def test_a_restated_edition_is_not_resent(state: State) -> None:
    intent = state.open_intent("monthly", "2026-10", opened_by="schedule")
    commit_edition(state, intent)
    (row,) = plan(state, "a@x.org")
    state.claim(row, run_id="r", holder="h")
    state.finish(row, holder="h", status=SendStatus.UNKNOWN)
    state.settle_intent(intent.intent_id)
    state.open_intent("monthly", "2026-10", opened_by="person", restates=True)
    with pytest.raises(Problem, match="newer"):
        state.decide("edition", "e1", "a@x.org", "resend", why="x")
    assert status(state) == {"a@x.org": "unknown"}  # the whole decision was undone


def test_an_error_names_no_address(tmp_path: Path) -> None:
    with State.at(url_of(tmp_path), tmp_path) as state:
        plan(state, "canary@x.org")
        os.truncate(tmp_path / "state" / "state.sqlite", 5000)
        with pytest.raises(Problem) as caught:
            state.plan("edition", "e2", ["canary@x.org"])
            state.ledger_rows()
        assert "canary" not in str(caught.value)


# ---- what the provider reports ---------------------------------------------------------------

MORNING = datetime(2026, 11, 9, 8, tzinfo=UTC)


def event(name: str, row: LedgerRow, kind: Report, minute: int = 0) -> ProviderEvent:
    return ProviderEvent(name, row.ledger_id, kind, MORNING + timedelta(minutes=minute), "550 no")


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        (before, kind, after)
        for before, kinds in {
            "unknown": ("accepted", "accepted", "accepted", "failed", "failed", "failed"),
            "accepted": ("accepted", "accepted", "accepted", "failed", "failed", "failed"),
            "failed": ("failed", "failed", "accepted", "failed", "failed", "failed"),
            # had sent again by a person: only that it was taken after all keeps it from being sent
            "planned": ("accepted", "accepted", "accepted", "planned", "planned", "planned"),
            "sending": ("sending",) * 6,
        }.items()
        for kind, after in zip(Report, kinds, strict=True)
    ],
)
def test_what_a_report_makes_of_a_row(state: State, before: str, kind: Report, after: str) -> None:
    (row,) = plan(state, "a@x.org")
    if before != "planned":
        state.claim(row, run_id="r", holder="h")
    if before not in ("planned", "sending"):
        state.finish(row, holder="h", status=SendStatus(before))
    assert state.report([event("1", row, kind)]) == 1
    assert status(state) == {"a@x.org": after}
    told = state.ledger_rows()[0].detail
    moved = f"{kind} 2026-11-09 08:00+00:00 550 no"
    assert told == (moved if after != before else None)
    if before == "unknown":  # the sender, slow, says what it knows: too late
        assert not state.finish(row, holder="h", status=SendStatus.UNKNOWN)


def test_an_event_counts_once_and_in_its_own_order(state: State) -> None:
    (row,) = plan(state, "a@x.org")
    state.claim(row, run_id="r", holder="h")
    state.finish(row, holder="h", status=SendStatus.UNKNOWN)
    bounce = event("bounce", row, Report.BOUNCE, 5)
    assert state.report([bounce, bounce]) == 1
    assert status(state) == {"a@x.org": "failed"}
    # older reports come late: the bounce stands
    assert state.report([event("delivered", row, Report.DELIVERED, 4)]) == 1
    assert state.report([event("deferred", row, Report.DEFERRED, 6)]) == 1
    assert status(state) == {"a@x.org": "failed"}
    # delivered after all; the bounce, replayed, is known
    assert state.report([event("later", row, Report.DELIVERED, 7)]) == 1
    assert state.report([bounce]) == 0
    assert status(state) == {"a@x.org": "accepted"}


def test_of_two_reports_of_one_second_the_bounce_counts(state: State) -> None:
    for number, names in enumerate([("b", "d"), ("d", "b")]):
        row = plan(state, f"{number}@x.org")[-1]
        state.claim(row, run_id="r", holder="h")
        state.finish(row, holder="h", status=SendStatus.ACCEPTED)
        kinds = {"b": Report.BLOCKED, "d": Report.DELIVERED}
        for name in names:
            state.report([event(f"{number}{name}", row, kinds[name])])
    assert set(status(state).values()) == {"failed"}


def test_a_report_faster_than_the_answer_waits_for_it(state: State) -> None:
    a, b = plan(state, "a@x.org", "b@x.org")
    for row in (a, b):
        state.claim(row, run_id="r", holder="h")
    state.report([event("1", a, Report.DELIVERED), event("2", b, Report.BOUNCE)])
    assert set(status(state).values()) == {"sending"}
    state.finish(b, holder="h", status=SendStatus.ACCEPTED)
    assert status(state)["b@x.org"] == "failed"
    later = state.now() + timedelta(hours=1)
    state.now = lambda: later
    assert state.expire() == 1  # the other's sender died; it is known what became of it
    assert status(state) == {"a@x.org": "accepted", "b@x.org": "failed"}


# ---- restored ------------------------------------------------------------------------------


def test_after_a_restore_nothing_is_sent_by_itself(state: State) -> None:
    """Whatever may have been sent since the backup waits for a person's word."""
    state.now = lambda: datetime(2026, 11, 10, 7, tzinfo=UTC)
    sealed = state.open_intent("monthly", "2026-10", opened_by="schedule")
    commit_edition(state, sealed)
    state.plan("edition", "e1", ["a@x.org", "b@x.org", "c@x.org"])
    first, second, _ = state.ledger_rows()
    for row in (first, second):
        assert state.claim(row, run_id="r", holder="h", intent_id=sealed.intent_id)
    assert state.finish(first, holder="h", status=SendStatus.ACCEPTED)
    stopped = state.open_intent("weekly", "2026-W45", opened_by="person")
    commit_edition(state, stopped, number=2)  # sealed, and nobody planned yet
    state.cancel_intent(stopped.intent_id, "wrong figures")
    state.open_intent("quarterly", "2026-Q3", opened_by="schedule")
    state.plan("incident", "1", ["a@x.org"])

    done = state.restored(datetime(2026, 11, 9, 2, tzinfo=UTC))
    assert (done.intents, done.messages) == (2, 3)
    why = "restored from a backup of 2026-11-09 02:00 UTC; it may have been sent since"
    assert {(i.ritual, i.status, i.held_by, i.reason) for i in state.pending_intents()} == {
        ("monthly", IntentStatus.HELD, "person", why),
        ("quarterly", IntentStatus.HELD, "person", why),
    }
    rows = {(r.subject_id, r.recipient): (r.status, r.detail) for r in state.ledger_rows()}
    assert rows == {
        ("e1", "a@x.org"): (SendStatus.ACCEPTED, None),
        ("e1", "b@x.org"): (SendStatus.UNKNOWN, why),
        ("e1", "c@x.org"): (SendStatus.UNKNOWN, why),
        ("e2", "a@x.org"): (SendStatus.UNKNOWN, why),
        ("1", "a@x.org"): (SendStatus.PLANNED, None),  # alerts are told at least once
    }
    # who was sending, somewhere, can record nothing any more
    assert not state.finish(second, holder="h", status=SendStatus.PLANNED)
    # neither the verdict nor the schedule lets it out; a person does
    assert state.release_intent(sealed.intent_id, by="close").status is IntentStatus.HELD
    assert state.open_intent("monthly", "2026-10", opened_by="schedule").held_by == "person"
    assert state.release_intent(sealed.intent_id, by="person").status is IntentStatus.OPEN
    assert state.settle_intent(sealed.intent_id)  # nobody is planned, so nothing was sent


@pytest.mark.parametrize("opened_by", ["schedule", "person"])
@pytest.mark.parametrize(
    ("ritual", "period", "status"),
    [
        ("monthly", "2026-09", "held"),
        ("monthly_kit", "2026-10", "held"),
        ("weekly", "2026-W45", "held"),  # it ended two days before
        ("weekly", "2026-W46", "open"),
        ("monthly", "2026-11", "open"),  # it was not over, so nothing of it was sent
    ],
)
def test_of_a_period_that_was_over_a_new_intent_waits_after_a_restore(
    state: State, opened_by: str, ritual: str, period: str, status: str
) -> None:
    state.now = lambda: datetime(2026, 11, 10, 7, tzinfo=UTC)
    before = state.open_intent("monthly", "2026-07", opened_by="person")
    assert state.settle_intent(before.intent_id)
    state.restored(datetime(2026, 11, 9, 2, tzinfo=UTC))
    assert state.intent(before.intent_id).status is IntentStatus.SETTLED
    opened = state.open_intent(ritual, period, opened_by=opened_by)
    assert opened.status == status
    assert opened.held_by == ("person" if status == "held" else None)


def test_a_new_day_begins_first_in_the_east(state: State) -> None:
    """At 11:00 UTC of its last day a month is over where it is 14 hours later."""
    state.now = lambda: datetime(2026, 10, 31, 11, tzinfo=UTC)
    state.restored(datetime(2026, 10, 30, 2, tzinfo=UTC))
    opened = state.open_intent("monthly", "2026-10", opened_by="schedule")
    assert opened.status is IntentStatus.HELD


def test_a_key_is_made_once_and_kept(state: State) -> None:
    made = state.key("pseudonyms")
    assert len(made) == 32 and state.key("other") != made
    assert state.key("pseudonyms") == made
