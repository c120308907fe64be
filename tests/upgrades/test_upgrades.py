"""A state database of every older version, with rows of its time, is brought up and read rightly.

``<revision>.sql`` is a dump of one; whoever adds a migration adds the dump of what was the newest
until then, with rows in every table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from orchestration import state as state_module
from orchestration.incidents import open_incidents, untold_recoveries
from orchestration.problems import Problem
from orchestration.state import (
    SCHEMA_REVISION,
    FrozenRecipient,
    IntentStatus,
    ProviderEvent,
    Report,
    SendStatus,
    State,
    metadata,
)

HERE = Path(__file__).parent
REVISIONS = sorted(file.stem for file in HERE.glob("*.sql"))
SEPTEMBER, RESTATED = "monthly-2026-09-edition-1", "monthly-2026-09-edition-2"
OCTOBER, KIT = "monthly-2026-10-edition-1", "monthly_kit-2026-10-edition-1"
ADA, BEN = "ada@example.org", "ben@example.org"


@pytest.fixture(params=REVISIONS)
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def database(revision: str, tmp_path: Path) -> Path:
    """A database as the version of that revision left it."""
    file = tmp_path / "state" / "state.sqlite"
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as old:
        old.executescript((HERE / f"{revision}.sql").read_text(encoding="utf-8"))
        tables = [name for (name,) in old.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")]  # fmt: skip
        empty = [t for t in tables if not old.execute(f"SELECT 1 FROM {t} LIMIT 1").fetchone()]
    assert empty == [], "the dump has a table without a row"
    return file


@pytest.fixture
def state(database: Path, tmp_path: Path) -> Iterator[State]:
    """The same, opened by this version."""
    with State.at(f"sqlite:///{database}", tmp_path) as opened:
        opened.now = lambda: datetime(2026, 11, 6, 9, tzinfo=UTC)  # type: ignore[method-assign]
        yield opened


def test_every_older_revision_has_its_dump() -> None:
    config = Config()
    config.set_main_option(
        "script_location", str(Path(state_module.__file__).parent / "migrations")
    )
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    assert known - {SCHEMA_REVISION} <= set(REVISIONS) <= known


def test_the_tables_are_those_of_this_version(state: State, database: Path) -> None:
    with state.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    with closing(sqlite3.connect(database)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == (
            SCHEMA_REVISION,
        )
        assert raw.execute("PRAGMA foreign_key_check").fetchall() == []
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        # copying a table must lose no rule of it
        for broken in (
            "UPDATE ledger SET status = 'lost'",
            "UPDATE intents SET status = 'lost'",
            "UPDATE intents SET status = 'open' WHERE period_id = '2026-09'",  # two pending
            "INSERT INTO ledger SELECT 99, message_kind, subject_id, letter, recipient, status, "
            "run_id, holder, lease_until, not_before, attempts, provider_message_id, detail, "
            "updated_at, settled_at, settled_why FROM ledger WHERE ledger_id = 1",
            "UPDATE editions SET number = 1",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                raw.execute(broken)


def test_what_was_published_is_read_as_it_was(state: State, revision: str, tmp_path: Path) -> None:
    found = {edition.edition_id: edition for edition in state.editions()}
    first, second = found[SEPTEMBER], found[RESTATED]
    assert (first.number, first.restates, second.number, second.restates) == (
        1, None, 2, SEPTEMBER)  # fmt: skip
    assert first.sealed_at == datetime(2026, 10, 7, 6, 31, tzinfo=UTC)
    assert first.folder == str(tmp_path / "editions/monthly/2026-09/edition-1")
    assert (second.content_hash, second.manifest_hash, second.code_version) == (
        "content-2", "manifest-2", "code-2")  # fmt: skip
    # before decisions were recorded, none of an edition was ever to be
    recorded = datetime(2026, 10, 7, 6, 33, tzinfo=UTC)
    assert first.recorded_at == (first.sealed_at if revision == "0001" else recorded)
    assert state.latest_edition("monthly", "2026-09") == second
    assert state.recipients(SEPTEMBER) == [
        FrozenRecipient(ADA, "Ada@example.org", "executive_sponsor"),
        FrozenRecipient(BEN, BEN, "finance, ld_head"),
    ]
    if revision >= "0002":
        assert [each.letter for each in state.recipients(KIT)] == ["0a1b2c", "3d4e5f"]


def test_what_was_sent_is_not_sent_again_and_the_rest_goes_on(state: State, revision: str) -> None:
    rows = {row.ledger_id: row for row in state.ledger_rows("edition")}
    expected = {
        1: (SEPTEMBER, "", ADA, SendStatus.ACCEPTED),
        2: (SEPTEMBER, "", BEN, SendStatus.FAILED),
        3: (RESTATED, "", ADA, SendStatus.ACCEPTED),
        4: (RESTATED, "", BEN, SendStatus.UNKNOWN),
        5: (OCTOBER, "", ADA, SendStatus.SENDING),
        6: (OCTOBER, "", BEN, SendStatus.PLANNED),
    }
    if revision >= "0002":
        expected |= {
            7: (KIT, "0a1b2c", ADA, SendStatus.ACCEPTED),
            8: (KIT, "3d4e5f", ADA, SendStatus.PLANNED),
        }
    assert {n: (r.subject_id, r.letter, r.recipient, r.status) for n, r in rows.items()} == expected
    assert rows[1].provider_message_id == "m-1" and rows[3].attempts == 2
    assert rows[2].detail == "RCPT TO: 550 no such user"
    assert state.plan("edition", OCTOBER, [ADA, BEN]) == 0
    assert not state.claim(rows[1], run_id="r", holder="h", intent_id=1)
    assert state.claim(rows[6], run_id="r", holder="h", intent_id=2)
    assert state.finish(rows[6], holder="h", status=SendStatus.ACCEPTED)
    # whose sender is gone; what SendGrid had said of it meanwhile counts, where it was kept
    assert state.expire("edition", OCTOBER) == 1
    (gone, _) = state.ledger_rows("edition", OCTOBER)
    assert gone.status == (SendStatus.ACCEPTED if revision >= "0004" else SendStatus.UNKNOWN)
    assert state.settle_intent(2)


def test_leave_to_send_is_as_it_was(state: State, revision: str) -> None:
    kit = [("monthly_kit", "2026-10", IntentStatus.OPEN)] if revision >= "0002" else []
    assert [(i.ritual, i.period_id, i.status) for i in state.pending_intents()] == [
        ("monthly", "2026-10", IntentStatus.OPEN),
        *kit,
        ("quarterly", "2026-Q3", IntentStatus.HELD),
    ]
    held = state.pending_intent("quarterly", "2026-Q3")
    assert held is not None and held.held_by == "close"
    assert held.reason == "waiting for activity until 16 October 2026."
    assert state.settled_periods("monthly") == {"2026-09"}
    assert state.settled_periods("weekly") == {"2026-W40"}  # cancelled by a person
    assert state.open_intent("monthly", "2026-09", opened_by="schedule").intent_id == 5
    with pytest.raises(Problem, match="published already"):
        state.open_intent("monthly", "2026-09", opened_by="person")
    again = state.open_intent("weekly", "2026-W40", opened_by="person")
    assert (again.intent_id, again.status) == (4, IntentStatus.OPEN)
    new = state.open_intent("monthly", "2026-08", opened_by="schedule")
    assert new.intent_id == (7 if revision >= "0002" else 6)
    # once restored from a backup, in October, it does not know whether August was sent
    assert new.status == (IntentStatus.HELD if revision >= "0005" else IntentStatus.OPEN)


def test_incidents_and_reports_go_on(state: State, revision: str) -> None:
    known = [1] if revision >= "0003" else []
    assert [each.incident_id for each in open_incidents(state)] == known
    assert [each.incident_id for each in untold_recoveries(state)] == [2 for _ in known]
    if known:
        (incident,) = open_incidents(state)
        assert incident.since == datetime(2026, 11, 4, tzinfo=UTC)
        assert [row.letter for row in state.ledger_rows("incident")] == ["opened"]
    bounced = [(each.recipient, each.kind) for each in state.undelivered(by_report=True)]
    assert bounced == [(BEN, Report.BOUNCE if revision >= "0004" else None)]
    event = ProviderEvent("sg-2", 2, Report.BOUNCE, datetime(2026, 10, 7, 6, 31, 30, tzinfo=UTC))
    assert state.report([event]) == (0 if revision >= "0004" else 1)
    assert state.report([event]) == 0
