"""State that cannot be rebuilt from raw: intents, sealed editions, incidents, the delivery ledger.

It lives in its own small database (SQLite by default, PostgreSQL by URL), never in the warehouse.
Every transition is one transaction that compares the state it starts from, so two processes can
never both make it. Migrations run when the database is opened, one process at a time.

Who may do what:

* An *intent* (ritual, period) says that mail may leave. At most one is pending at any time.
* An *edition* belongs to the intent that sealed it; its row is the commit of the sealing.
* A *ledger* row (message kind, subject, letter, recipient) goes planned -> sending -> accepted |
  failed | unknown. It goes back to planned only when the channel certainly did not take the
  message, or when a person says so. What the provider reports later (an *event*) moves it between
  unknown, accepted and failed, and from planned to accepted only: a report never has mail sent.
* A *restore* from a backup forgets what was sent since. Whatever could then be sent a second time
  waits for a person: pending intents, planned messages, new intents of periods that had ended.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Event, Thread
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.engine import Connection, Engine, Row
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.settings import Settings

SCHEMA_REVISION = "0007"  # the newest migration; a test holds it to what alembic finds
LEASE = timedelta(seconds=60)
_BUSY_SECONDS = 30.0
_EASTERNMOST = timedelta(hours=14)  # of all time zones
_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_log = logging.getLogger(__name__)


class IntentStatus(StrEnum):
    """``open`` sends; ``held`` waits; ``settled`` and ``cancelled`` are over."""

    OPEN = "open"
    HELD = "held"
    SETTLED = "settled"
    CANCELLED = "cancelled"


class SendStatus(StrEnum):
    """Where one message to one recipient stands."""

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Report(StrEnum):
    """What the provider says of a message that it took, or refused to pass on (``dropped``)."""

    PROCESSED = "processed"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    BOUNCE = "bounce"
    BLOCKED = "blocked"
    DROPPED = "dropped"


UNDELIVERED = (Report.BOUNCE, Report.BLOCKED, Report.DROPPED)
"""Reports after which nothing more comes to the recipient."""


class _Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC time; stored naive, since SQLite keeps no zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _one_of(column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


intents = sa.Table(
    "intents",
    metadata,
    sa.Column("intent_id", sa.Integer, primary_key=True),
    sa.Column("ritual", sa.String(16), nullable=False),
    sa.Column("period_id", sa.String(16), nullable=False),
    sa.Column("opened_at", _Moment, nullable=False),
    sa.Column("opened_by", sa.String(16), nullable=False),
    sa.Column("opened_run", sa.String(64)),
    sa.Column("restates", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("held_by", sa.String(16)),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("updated_at", _Moment, nullable=False),
    _one_of("status", IntentStatus),
    sa.Index(
        "uq_intents_pending",
        "ritual",
        "period_id",
        unique=True,
        sqlite_where=sa.text("status IN ('open', 'held')"),
        postgresql_where=sa.text("status IN ('open', 'held')"),
    ),
)

editions = sa.Table(
    "editions",
    metadata,
    sa.Column("edition_id", sa.String(64), primary_key=True),
    sa.Column("intent_id", sa.ForeignKey("intents.intent_id"), nullable=False, unique=True),
    sa.Column("ritual", sa.String(16), nullable=False),
    sa.Column("period_id", sa.String(16), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("sealed_at", _Moment, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),  # relative to the home folder
    sa.Column("content_hash", sa.String(64), nullable=False),
    sa.Column("figures_hash", sa.String(64), nullable=False),
    sa.Column("manifest_hash", sa.String(64), nullable=False),
    sa.Column("settings_hash", sa.String(64), nullable=False),
    sa.Column("charter_hash", sa.String(64), nullable=False),
    sa.Column("code_version", sa.String(64), nullable=False),
    sa.Column("data_as_of", sa.Date),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("restates", sa.ForeignKey("editions.edition_id")),
    sa.Column("recorded_at", _Moment),
    sa.Column("redacted_at", _Moment),
    sa.Column("sealed_hash", sa.String(64)),
    sa.UniqueConstraint("ritual", "period_id", "number"),
)

edition_recipients = sa.Table(
    "edition_recipients",
    metadata,
    sa.Column("edition_id", sa.ForeignKey("editions.edition_id"), primary_key=True),
    sa.Column("letter", sa.String(64), primary_key=True, server_default=""),
    sa.Column("recipient", sa.String(320), primary_key=True),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("roles", sa.Text, nullable=False),
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("ledger_id", sa.Integer, primary_key=True),
    sa.Column("message_kind", sa.String(32), nullable=False),
    sa.Column("subject_id", sa.String(64), nullable=False),
    sa.Column("letter", sa.String(64), nullable=False, server_default=""),
    sa.Column("recipient", sa.String(320), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("run_id", sa.String(64)),
    sa.Column("holder", sa.String(255)),
    sa.Column("lease_until", _Moment),
    sa.Column("not_before", _Moment),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("provider_message_id", sa.String(255)),
    sa.Column("detail", sa.Text),
    sa.Column("updated_at", _Moment, nullable=False),
    sa.Column("settled_at", _Moment),
    sa.Column("settled_why", sa.Text),
    _one_of("status", SendStatus),
    sa.UniqueConstraint("message_kind", "subject_id", "letter", "recipient"),
)

_MESSAGE_OF_RECIPIENT = sa.and_(
    ledger.c.message_kind == "edition",
    ledger.c.subject_id == edition_recipients.c.edition_id,
    ledger.c.letter == edition_recipients.c.letter,
    ledger.c.recipient == edition_recipients.c.recipient,
)

incidents = sa.Table(
    "incidents",
    metadata,
    sa.Column("incident_id", sa.Integer, primary_key=True),
    sa.Column("cause", sa.String(255), nullable=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("at_risk", sa.Text, nullable=False),
    sa.Column("remedy", sa.Text, nullable=False),
    sa.Column("since", _Moment, nullable=False),
    sa.Column("opened_at", _Moment, nullable=False),
    sa.Column("seen_at", _Moment, nullable=False),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    sa.Column("well_since", _Moment),
    sa.Column("recovered_at", _Moment),
    sa.Index(
        "uq_incidents_open",
        "cause",
        unique=True,
        sqlite_where=sa.text("recovered_at IS NULL"),
        postgresql_where=sa.text("recovered_at IS NULL"),
    ),
)


provider_events = sa.Table(
    "provider_events",
    metadata,
    sa.Column("event_id", sa.String(255), primary_key=True),
    sa.Column("ledger_id", sa.ForeignKey("ledger.ledger_id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("happened_at", _Moment, nullable=False),
    sa.Column("received_at", _Moment, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("applied_at", _Moment),  # null while the message is being sent
    _one_of("kind", Report),
    sa.Index("ix_provider_events_ledger_id", "ledger_id"),
)


restores = sa.Table(
    "restores",
    metadata,
    sa.Column("restore_id", sa.Integer, primary_key=True),
    sa.Column("taken_at", _Moment, nullable=False),
    sa.Column("restored_at", _Moment, nullable=False),
)


keys = sa.Table(
    "keys",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(128), nullable=False),
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("erasure_id", sa.Integer, primary_key=True),
    sa.Column("person", sa.String(64), nullable=False, unique=True),
    sa.Column("started_at", _Moment, nullable=False),
    sa.Column("ended_at", _Moment),
    sa.Column("readmitted_at", _Moment),
)


@dataclass(frozen=True)
class Intent:
    """Leave to send one period's review."""

    intent_id: int
    ritual: str
    period_id: str
    opened_at: datetime
    opened_by: str
    opened_run: str | None
    restates: bool
    status: IntentStatus
    held_by: str | None
    reason: str
    updated_at: datetime


@dataclass(frozen=True)
class Edition:
    """One sealed edition.

    ``folder`` is absolute here; stored relative to the home folder, so that a restored or moved
    home still finds its editions. ``recorded_at``: when what it asks for entered the decision log.
    ``redacted_at``: when somebody who was erased was last taken out of its files; ``content_hash``
    is then of the files as they are, ``sealed_hash`` of those that were sealed.
    """

    edition_id: str
    intent_id: int
    ritual: str
    period_id: str
    number: int
    sealed_at: datetime
    folder: str
    content_hash: str
    figures_hash: str
    manifest_hash: str
    settings_hash: str
    charter_hash: str
    code_version: str
    data_as_of: Any
    subject: str
    restates: str | None
    recorded_at: datetime | None
    redacted_at: datetime | None = None
    sealed_hash: str | None = None


@dataclass(frozen=True)
class Erasure:
    """That somebody is erased: by number and pseudonym, and never by more.

    Attributes:
        person: their pseudonym of the purpose ``erasures``.
        ended_at: None while it has not ended.
        readmitted_at: from when what is delivered of them counts again.
    """

    erasure_id: int
    person: str
    started_at: datetime
    ended_at: datetime | None
    readmitted_at: datetime | None


@dataclass(frozen=True)
class FrozenRecipient:
    """Whom a sealed edition goes to: the key in the ledger, the address, their roles.

    ``letter`` is the folder of their own letter in the edition; empty where all get one email.
    Who gets two letters is two recipients.
    """

    recipient: str
    address: str
    roles: str
    letter: str = ""


@dataclass(frozen=True)
class LedgerRow:
    """One message to one recipient."""

    ledger_id: int
    message_kind: str
    subject_id: str
    letter: str
    recipient: str
    status: SendStatus
    run_id: str | None
    holder: str | None
    lease_until: datetime | None
    not_before: datetime | None
    attempts: int
    provider_message_id: str | None
    detail: str | None
    updated_at: datetime
    settled_at: datetime | None
    settled_why: str | None


@dataclass(frozen=True)
class ProviderEvent:
    """One report on one message: when by the provider's clock, and why; it names nobody."""

    event_id: str
    ledger_id: int
    kind: Report
    happened_at: datetime
    reason: str = ""

    @property
    def order(self) -> tuple[datetime, bool]:
        """Later counts more; of two in the same second, the one that ends it."""
        return self.happened_at, self.kind in UNDELIVERED


@dataclass(frozen=True)
class Restored:
    """What a restore made wait for a person: pending intents, messages that are now unknown."""

    intents: int
    messages: int


@dataclass(frozen=True)
class Undelivered:
    """A review or letter that did not arrive.

    Attributes:
        number: of its row in the ledger.
        roles: of the recipient, as they were sealed, such as ``executive_sponsor, ld_head``.
        kind: what was reported; None where the channel itself refused it for good.
        happened_at: aware time of that.
        reason: the server's words, perhaps with an address in them.
    """

    number: int
    ritual: str
    period_id: str
    recipient: str
    roles: str
    kind: Report | None
    happened_at: datetime
    reason: str


def _intent(row: Row[Any]) -> Intent:
    values = dict(row._mapping)
    return Intent(**{**values, "status": IntentStatus(values["status"])})


def _ledger_row(row: Row[Any]) -> LedgerRow:
    values = dict(row._mapping)
    return LedgerRow(**{**values, "status": SendStatus(values["status"])})


def _event(row: Row[Any]) -> ProviderEvent:
    return ProviderEvent(row.event_id, row.ledger_id, Report(row.kind), row.happened_at, row.reason)


def _ends(kind: str) -> bool:
    return kind == Report.DELIVERED or kind in UNDELIVERED


def _verdict(status: SendStatus, event: ProviderEvent | None) -> SendStatus | None:
    """What a report makes of a row; None where it stays as it is."""
    if event is None:
        return None
    if event.kind in UNDELIVERED:
        failing = (SendStatus.UNKNOWN, SendStatus.ACCEPTED)
        return SendStatus.FAILED if status in failing else None
    taken = [SendStatus.UNKNOWN, SendStatus.PLANNED]
    if event.kind is Report.DELIVERED:
        taken.append(SendStatus.FAILED)
    return SendStatus.ACCEPTED if status in taken else None


def _after_restore(taken_at: datetime) -> str:
    return f"restored from a backup of {taken_at:%Y-%m-%d %H:%M} UTC; it may have been sent since"


def _machine() -> str:
    """Where a process id means something: host, boot and (in containers) process name space."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    return "/".join(parts)[:120]


def _process_started(pid: int) -> str:
    """The process's start in clock ticks, so that a reused id is not taken for the old process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def new_holder() -> str:
    """A fresh name for one sender at work: machine | process | its start | random."""
    pid = os.getpid()
    return f"{_machine()}|{pid}|{_process_started(pid)}|{uuid.uuid4().hex}"


def holder_is_dead(holder: str | None) -> bool:
    """Whether the holder is certainly gone: a process of this machine that no longer runs."""
    if not holder or holder.count("|") != 3:
        return False
    machine, pid_text, started, _ = holder.split("|")
    if machine != _machine():
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    if started and Path(f"/proc/{pid}/stat").exists():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return fields[19] != started or fields[0] == "Z"  # a zombie sends nothing any more
    return False


class State:
    """The state database, opened and migrated. Use :meth:`open`; close it or use ``with``.

    Args:
        engine: an engine made by :meth:`open`.
        home: what the editions' folders are relative to.
        now: the clock, aware UTC; tests pass their own.
    """

    def __init__(
        self,
        engine: Engine,
        home: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._home = home
        self.now = now

    # ---- opening -------------------------------------------------------------------------

    @classmethod
    def open(cls, settings: Settings) -> State:
        """Open the organisation's state database, creating and migrating it as needed.

        Raises:
            Problem: the URL is wrong, its driver is missing, the database cannot be reached or
                written, or was written by a newer version of this project.
        """
        return cls.at(settings.state_url, settings.home)

    @classmethod
    def at(cls, url: str, home: Path) -> State:
        """Open the database at an SQLAlchemy URL (see :meth:`open`)."""
        try:
            parsed = sa.make_url(url)
        except ArgumentError:
            raise Problem(
                "paths.state is not an SQLAlchemy URL.",
                remedy="write it like sqlite:////var/lib/adoption/state.sqlite or "
                "postgresql+psycopg://host/database.",
            ) from None
        shown = parsed.render_as_string(hide_password=True)
        file = Path(parsed.database) if _is_file(parsed) and parsed.database else None
        try:
            if file is not None:
                _create_private(file)
            engine = _make_engine(parsed)
        except (ImportError, NoSuchModuleError) as error:
            raise Problem(
                f"no driver is installed for the state database ({parsed.drivername}).",
                file=shown,
                remedy="install it; what PostgreSQL needs is in requirements-spark.lock.",
            ) from error
        except OSError as error:
            raise Problem(
                f"the state database cannot be created: {error.strerror}.",
                file=shown,
                remedy="make its folder writable, or set paths.state.",
            ) from error
        try:
            _migrate(engine, file, shown)
        except DBAPIError as error:
            engine.dispose()
            raise Problem(
                f"the state database cannot be opened: {type(error.orig).__name__}"
                f"{_sqlite_words(error)}.",
                file=shown,
                remedy="check that it can be reached and written, and that its disk is not full.",
            ) from None
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, home)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> State:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _write(self, lock: str | None = None) -> Iterator[Connection]:
        """One writing transaction. SQLite has one writer anyway; PostgreSQL locks ``lock``."""
        with self._translated(), self._engine.begin() as connection:
            if lock is not None and self._engine.dialect.name == "postgresql":
                connection.execute(
                    sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"adoption {lock}")))
                )
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            yield connection.execution_options(adoption_read=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise Problem(
                f"the state database refused: {type(error.orig).__name__}{_sqlite_words(error)}.",
                file=self._engine.url.render_as_string(hide_password=True),
                remedy="check that its disk is not full or read-only and that no process holds "
                "it; then run again: nothing is sent twice.",
            ) from None

    def writing(self, lock: str) -> AbstractContextManager[Connection]:
        """One writing transaction under a lock's name, for what is built on the state."""
        return self._write(lock)

    def reading(self) -> AbstractContextManager[Connection]:
        """One reading transaction, for what is built on the state."""
        return self._read()

    # ---- keys and erasures ---------------------------------------------------------------

    def key(self, name: str) -> bytes:
        """A secret of this organisation, random, made when it is first asked for and kept here."""
        with self._write("keys") as connection:
            known = connection.execute(
                sa.select(keys.c.value).where(keys.c.name == name)
            ).scalar_one_or_none()
            if known is None:
                known = secrets.token_hex(32)
                connection.execute(sa.insert(keys).values(name=name, value=known))
            return bytes.fromhex(known)

    def erasures(self) -> list[Erasure]:
        """Everybody who was erased, by number."""
        with self._read() as connection:
            rows = connection.execute(sa.select(erasures).order_by(erasures.c.erasure_id))
            return [Erasure(**row._mapping) for row in rows]

    def begin_erasure(self, person: str) -> Erasure:
        """Note that somebody is being erased: from now on nothing of them is let in.

        Whoever was erased before keeps their number, and is no longer readmitted.
        """
        with self._write("erasures") as connection:
            again = (
                sa.update(erasures)
                .where(erasures.c.person == person)
                .values(ended_at=None, readmitted_at=None)
                .returning(erasures)
            )
            row = connection.execute(again).one_or_none()
            if row is None:
                row = connection.execute(
                    sa.insert(erasures)
                    .values(person=person, started_at=self.now())
                    .returning(erasures)
                ).one()
            return Erasure(**row._mapping)

    def end_erasure(self, erasure_id: int) -> None:
        """Note that nothing of them is left."""
        with self._write("erasures") as connection:
            connection.execute(
                sa.update(erasures)
                .where(erasures.c.erasure_id == erasure_id)
                .values(ended_at=self.now())
            )

    def readmit(self, person: str) -> bool:
        """Let in what is delivered of somebody from now on; whether they had been erased."""
        with self._write("erasures") as connection:
            changed = connection.execute(
                sa.update(erasures)
                .where(erasures.c.person == person, erasures.c.readmitted_at.is_(None))
                .values(readmitted_at=self.now())
            )
            return bool(changed.rowcount)

    # ---- intents -------------------------------------------------------------------------

    def open_intent(
        self,
        ritual: str,
        period_id: str,
        *,
        opened_by: str,
        reason: str = "",
        restates: bool = False,
        run_id: str | None = None,
    ) -> Intent:
        """Say that a period's review may be sent.

        The schedule opens a period's first intent and never another: whatever stands, pending,
        settled or cancelled, is returned as it is. A person gets the pending intent, or a new one;
        after a sealed edition only with ``restates``. One run (and its re-executions, if
        ``run_id`` is the root run's) opens at most one intent.

        Of a period that had ended when the database was restored from a backup, a new intent is
        held for a person: it may be one that was sent and forgotten.

        Args:
            ritual: weekly, monthly or quarterly, or a mailing of letters such as monthly_kit.
            period_id: such as ``2026-10``.
            opened_by: ``schedule`` or ``person``.
            run_id: the root run that opens it, where a run does.

        Raises:
            Problem: a sealed edition exists and ``restates`` is not said; or there is nothing to
                restate; or the edition before is still being delivered.
        """
        if opened_by not in ("schedule", "person"):
            raise ValueError(f"an intent is opened by 'schedule' or 'person', not {opened_by!r}")
        with self._write(f"{ritual} {period_id}") as connection:
            known = [
                _intent(row)
                for row in connection.execute(
                    sa.select(intents)
                    .where(intents.c.ritual == ritual, intents.c.period_id == period_id)
                    .order_by(intents.c.intent_id)
                )
            ]
            if run_id is not None and (mine := [i for i in known if i.opened_run == run_id]):
                return mine[-1]
            if opened_by == "schedule" and known:
                return known[-1]
            last = self._latest_edition(connection, ritual, period_id)
            pending = [i for i in known if i.status in (IntentStatus.OPEN, IntentStatus.HELD)]
            if pending:
                if restates and not pending[0].restates:
                    raise Problem(
                        f"the {ritual} review of {period_id} is still pending; there is nothing "
                        "to restate yet.",
                        remedy="let it be delivered, or cancel it, then open one that restates.",
                    )
                return pending[0]
            if restates and last is None:
                raise Problem(
                    f"the {ritual} review of {period_id} was never published; there is nothing "
                    "to restate.",
                    remedy="open it without restates.",
                )
            if not restates and last is not None:
                sealing = next(i for i in known if i.intent_id == last.intent_id)
                if sealing.status is IntentStatus.CANCELLED:
                    # its sealed edition goes on where it was stopped
                    return self._move(
                        connection,
                        sealing,
                        IntentStatus.OPEN,
                        reason=reason or sealing.reason,
                        opened_run=run_id,
                        held_by=None,
                    )
                raise Problem(
                    f"the {ritual} review of {period_id} was published already "
                    f"(edition {last.number}).",
                    remedy="say restates = true to publish a corrected edition.",
                )
            now = self.now()
            forgotten = self._forgotten(connection, period_id)
            result = connection.execute(
                sa.insert(intents)
                .values(
                    ritual=ritual,
                    period_id=period_id,
                    opened_at=now,
                    opened_by=opened_by,
                    opened_run=run_id,
                    restates=restates,
                    status=IntentStatus.HELD if forgotten else IntentStatus.OPEN,
                    held_by="person" if forgotten else None,
                    reason=forgotten or reason,
                    updated_at=now,
                )
                .returning(intents)
            )
            return _intent(result.one())

    def _forgotten(self, connection: Connection, period_id: str) -> str:
        """Why a period's mail may have been sent without this database knowing; else empty."""
        last = connection.execute(
            sa.select(restores).order_by(restores.c.restore_id.desc()).limit(1)
        ).one_or_none()
        if last is None:
            return ""
        # wherever the organisation is: nowhere is it later than this
        today = (last.restored_at + _EASTERNMOST).date()
        if Period.parse(period_id).end >= today:
            return ""
        return _after_restore(last.taken_at)

    def restored(self, taken_at: datetime) -> Restored:
        """Note that this database was restored from a backup, and let nothing be sent by itself.

        Pending intents are held for a person. Of every edition that is not settled, what was
        planned or being sent, and who was not planned yet, becomes ``unknown``: it may have been
        sent since the backup was taken.
        """
        why = _after_restore(taken_at)
        with self._write("restore") as connection:
            now = self.now()
            connection.execute(sa.insert(restores).values(taken_at=taken_at, restored_at=now))
            held = connection.execute(
                sa.update(intents)
                .where(intents.c.status.in_([IntentStatus.OPEN, IntentStatus.HELD]))
                .values(status=IntentStatus.HELD, held_by="person", reason=why, updated_at=now)
            ).rowcount
            doubtful = connection.execute(
                sa.update(ledger)
                .where(
                    ledger.c.message_kind == "edition",
                    ledger.c.status.in_([SendStatus.PLANNED, SendStatus.SENDING]),
                )
                .values(
                    status=SendStatus.UNKNOWN,
                    holder=None,
                    lease_until=None,
                    not_before=None,
                    detail=why,
                    updated_at=now,
                )
            ).rowcount
            unplanned = (
                sa.select(
                    sa.literal("edition"),
                    edition_recipients.c.edition_id,
                    edition_recipients.c.letter,
                    edition_recipients.c.recipient,
                    sa.literal(SendStatus.UNKNOWN.value),
                    sa.literal(0),
                    sa.literal(why),
                    sa.literal(now, _Moment),
                )
                .select_from(
                    edition_recipients.join(editions)
                    .join(intents)
                    .outerjoin(ledger, _MESSAGE_OF_RECIPIENT)
                )
                .where(
                    ledger.c.ledger_id.is_(None), intents.c.status != IntentStatus.SETTLED
                )
            )  # fmt: skip
            added = connection.execute(
                sa.insert(ledger)
                .from_select(
                    ["message_kind", "subject_id", "letter", "recipient", "status", "attempts",
                     "detail", "updated_at"],
                    unplanned,
                )
                .returning(ledger.c.ledger_id)
            ).all()  # fmt: skip
            doubtful += len(added)
            return Restored(held, doubtful)

    def intent(self, intent_id: int) -> Intent:
        """One intent by its number."""
        with self._read() as connection:
            return self._intent(connection, intent_id)

    def pending_intent(self, ritual: str, period_id: str) -> Intent | None:
        """The open or held intent of a period, if there is one."""
        found = self.pending_intents(ritual, period_id)
        return found[0] if found else None

    def pending_intents(
        self, ritual: str | None = None, period_id: str | None = None
    ) -> list[Intent]:
        """Every open or held intent, oldest period first."""
        query = sa.select(intents).where(
            intents.c.status.in_([IntentStatus.OPEN, IntentStatus.HELD])
        )
        if ritual is not None:
            query = query.where(intents.c.ritual == ritual)
        if period_id is not None:
            query = query.where(intents.c.period_id == period_id)
        with self._read() as connection:
            rows = connection.execute(query.order_by(intents.c.ritual, intents.c.period_id))
            return [_intent(row) for row in rows]

    def latest_intent(self, ritual: str, period_id: str) -> Intent | None:
        """The newest intent of a period, whatever its status; None when nobody ever opened one."""
        with self._read() as connection:
            row = connection.execute(
                sa.select(intents)
                .where(intents.c.ritual == ritual, intents.c.period_id == period_id)
                .order_by(intents.c.intent_id.desc())
                .limit(1)
            ).one_or_none()
            return None if row is None else _intent(row)

    def settled_periods(self, ritual: str) -> set[str]:
        """The periods whose newest intent is over: delivered, or cancelled by a person."""
        newest = (
            sa.select(sa.func.max(intents.c.intent_id))
            .where(intents.c.ritual == ritual)
            .group_by(intents.c.period_id)
        )
        with self._read() as connection:
            return set(
                connection.execute(
                    sa.select(intents.c.period_id).where(
                        intents.c.intent_id.in_(newest),
                        intents.c.status.in_([IntentStatus.SETTLED, IntentStatus.CANCELLED]),
                    )
                ).scalars()
            )

    def hold_intent(self, intent_id: int, reason: str, *, by: str) -> Intent:
        """Stop an open intent until it is released. ``by``: ``close`` (a verdict) or ``person``.

        What a person held stays held by the person. Raises Problem when it is over.
        """
        return self._change(
            intent_id,
            IntentStatus.HELD,
            allowed=(IntentStatus.OPEN, IntentStatus.HELD),
            keep=lambda intent: intent.held_by == "person" and by != "person",
            reason=reason,
            held_by=by,
        )

    def release_intent(self, intent_id: int, *, by: str) -> Intent:
        """Open a held intent again. Only a person releases what a person held."""
        return self._change(
            intent_id,
            IntentStatus.OPEN,
            allowed=(IntentStatus.OPEN, IntentStatus.HELD),
            keep=lambda intent: intent.held_by == "person" and by != "person",
            held_by=None,
        )

    def cancel_intent(self, intent_id: int, reason: str) -> Intent:
        """Decide that nothing more is sent for it. Raises Problem when it is settled."""
        return self._change(
            intent_id,
            IntentStatus.CANCELLED,
            allowed=(IntentStatus.OPEN, IntentStatus.HELD, IntentStatus.CANCELLED),
            reason=reason,
        )

    def settle_intent(self, intent_id: int, reason: str = "") -> bool:
        """Settle an open intent whose edition, if sealed, has nobody planned or sending.

        Returns:
            Whether it is settled now.
        """
        with self._write(f"intent {intent_id}") as connection:
            intent = self._intent(connection, intent_id, lock=True)
            if intent.status is IntentStatus.SETTLED:
                return True
            if intent.status is not IntentStatus.OPEN:
                return False
            waiting = connection.execute(
                sa.select(sa.func.count())
                .select_from(
                    editions.join(edition_recipients).outerjoin(ledger, _MESSAGE_OF_RECIPIENT)
                )
                .where(
                    editions.c.intent_id == intent_id,
                    sa.or_(
                        ledger.c.status.is_(None),
                        ledger.c.status.in_([SendStatus.PLANNED, SendStatus.SENDING]),
                    ),
                )
            ).scalar_one()
            if waiting:
                return False
            self._move(connection, intent, IntentStatus.SETTLED, reason=reason or intent.reason)
            return True

    def _intent(self, connection: Connection, intent_id: int, *, lock: bool = False) -> Intent:
        query = sa.select(intents).where(intents.c.intent_id == intent_id)
        row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise Problem(f"there is no intent {intent_id}.")
        return _intent(row)

    def _change(
        self,
        intent_id: int,
        to: IntentStatus,
        *,
        allowed: Collection[IntentStatus],
        keep: Callable[[Intent], bool] = lambda _: False,
        **values: Any,
    ) -> Intent:
        with self._write(f"intent {intent_id}") as connection:
            intent = self._intent(connection, intent_id, lock=True)
            if keep(intent):
                return intent
            if intent.status not in allowed:
                raise Problem(
                    f"the intent of the {intent.ritual} review of {intent.period_id} is "
                    f"{intent.status}; it cannot become {to}."
                )
            return self._move(connection, intent, to, **values)

    def _move(
        self, connection: Connection, intent: Intent, to: IntentStatus, **values: Any
    ) -> Intent:
        """Compare-and-set of an intent's status."""
        row = connection.execute(
            sa.update(intents)
            .where(intents.c.intent_id == intent.intent_id, intents.c.status == intent.status)
            .values(status=to, updated_at=self.now(), **values)
            .returning(intents)
        ).one_or_none()
        if row is None:
            raise Problem(
                f"the intent of {intent.period_id} was changed by someone else meanwhile.",
                remedy="look again, then repeat.",
            )
        return _intent(row)

    # ---- editions ------------------------------------------------------------------------

    def _edition(self, row: Row[Any]) -> Edition:
        values = dict(row._mapping)
        return Edition(**{**values, "folder": str(self._home / values["folder"])})

    def _latest_edition(
        self, connection: Connection, ritual: str, period_id: str
    ) -> Edition | None:
        row = connection.execute(
            sa.select(editions)
            .where(editions.c.ritual == ritual, editions.c.period_id == period_id)
            .order_by(editions.c.number.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else self._edition(row)

    def latest_edition(self, ritual: str, period_id: str) -> Edition | None:
        """The newest sealed edition of a period."""
        with self._read() as connection:
            return self._latest_edition(connection, ritual, period_id)

    def editions(self, ritual: str | None = None) -> list[Edition]:
        """Every sealed edition, in order."""
        query = sa.select(editions).order_by(
            editions.c.ritual, editions.c.period_id, editions.c.number
        )
        if ritual is not None:
            query = query.where(editions.c.ritual == ritual)
        with self._read() as connection:
            return [self._edition(row) for row in connection.execute(query)]

    def edition_of_intent(self, intent_id: int) -> Edition | None:
        """The edition that an intent sealed, if it did."""
        with self._read() as connection:
            return self._edition_of(connection, intent_id)

    def _edition_of(self, connection: Connection, intent_id: int) -> Edition | None:
        row = connection.execute(
            sa.select(editions).where(editions.c.intent_id == intent_id)
        ).one_or_none()
        return None if row is None else self._edition(row)

    def redacted(self, edition_id: str, *, content_hash: str, figures_hash: str) -> None:
        """Note that somebody who was erased was taken out of an edition's files: their hashes."""
        with self._write("erasures") as connection:
            connection.execute(
                sa.update(editions)
                .where(editions.c.edition_id == edition_id)
                .values(
                    redacted_at=self.now(),
                    sealed_hash=sa.func.coalesce(editions.c.sealed_hash, editions.c.content_hash),
                    content_hash=content_hash,
                    figures_hash=figures_hash,
                )
            )

    def unrecorded_editions(self, ritual: str) -> list[Edition]:
        """Editions handed over whose decisions and actions are not in the log yet, in order.

        Handed over: somebody's mail was accepted or may have been. What was sealed and then
        cancelled before anybody got it asks nobody for anything.
        """
        handed_over = (
            sa.select(ledger.c.ledger_id)
            .where(
                ledger.c.message_kind == "edition",
                ledger.c.subject_id == editions.c.edition_id,
                ledger.c.status.in_([SendStatus.ACCEPTED, SendStatus.UNKNOWN]),
            )
            .exists()
        )
        with self._read() as connection:
            rows = connection.execute(
                sa.select(editions)
                .where(editions.c.ritual == ritual, editions.c.recorded_at.is_(None), handed_over)
                .order_by(editions.c.period_id, editions.c.number)
            )
            return [self._edition(row) for row in rows]

    def mark_recorded(self, edition_id: str) -> None:
        """Note that what an edition asks for has entered the decision log."""
        with self._write() as connection:
            connection.execute(
                sa.update(editions)
                .where(editions.c.edition_id == edition_id, editions.c.recorded_at.is_(None))
                .values(recorded_at=self.now())
            )

    def recipients(self, edition_id: str) -> list[FrozenRecipient]:
        """Whom a sealed edition goes to, frozen when it was sealed."""
        with self._read() as connection:
            rows = connection.execute(
                sa.select(
                    edition_recipients.c.recipient,
                    edition_recipients.c.address,
                    edition_recipients.c.roles,
                    edition_recipients.c.letter,
                )
                .where(edition_recipients.c.edition_id == edition_id)
                .order_by(edition_recipients.c.letter, edition_recipients.c.recipient)
            )
            return [FrozenRecipient(**dict(row._mapping)) for row in rows]

    @contextmanager
    def sealing(self, intent: Intent) -> Iterator[Sealing]:
        """A transaction in which one edition of a period may be sealed; no other runs beside it.

        It commits when the block ends without an exception.
        """
        with self._write(f"{intent.ritual} {intent.period_id}") as connection:
            current = self._intent(connection, intent.intent_id, lock=True)
            yield Sealing(self, connection, current)

    # ---- ledger --------------------------------------------------------------------------

    def plan(
        self, message_kind: str, subject_id: str, recipients: Sequence[str | tuple[str, str]]
    ) -> int:
        """Write a planned row for each recipient that has none; returns how many were new.

        Args:
            recipients: keys; of letters, pairs of the letter and the key.
        """
        wanted = dict.fromkeys(
            each if isinstance(each, tuple) else ("", each) for each in recipients
        )
        if not wanted:
            return 0
        now = self.now()
        with self._write(f"{message_kind} {subject_id}") as connection:
            known = {
                (row.letter, row.recipient)
                for row in connection.execute(
                    sa.select(ledger.c.letter, ledger.c.recipient).where(
                        ledger.c.message_kind == message_kind, ledger.c.subject_id == subject_id
                    )
                )
            }
            new = [each for each in wanted if each not in known]
            if new:
                connection.execute(
                    sa.insert(ledger),
                    [
                        {
                            "message_kind": message_kind,
                            "subject_id": subject_id,
                            "letter": letter,
                            "recipient": recipient,
                            "status": SendStatus.PLANNED,
                            "attempts": 0,
                            "updated_at": now,
                        }
                        for letter, recipient in new
                    ],
                )
            return len(new)

    def ledger_rows(
        self, message_kind: str | None = None, subject_id: str | None = None
    ) -> list[LedgerRow]:
        """The ledger, or one message's part of it, by subject, letter and recipient."""
        query = sa.select(ledger).order_by(
            ledger.c.message_kind, ledger.c.subject_id, ledger.c.letter, ledger.c.recipient
        )
        if message_kind is not None:
            query = query.where(ledger.c.message_kind == message_kind)
        if subject_id is not None:
            query = query.where(ledger.c.subject_id == subject_id)
        with self._read() as connection:
            return [_ledger_row(row) for row in connection.execute(query)]

    def claim(
        self,
        row: LedgerRow,
        *,
        run_id: str,
        holder: str,
        intent_id: int | None = None,
        lease: timedelta = LEASE,
    ) -> bool:
        """planned -> sending, under a lease, just before the channel is called.

        Args:
            intent_id: where given, only while this intent is open.

        Returns:
            Whether this holder has it; False when another does, when it is no longer planned, is
            not due yet, or the intent is not open any more.
        """
        now = self.now()
        condition = sa.and_(
            ledger.c.ledger_id == row.ledger_id,
            ledger.c.status == SendStatus.PLANNED,
            sa.or_(ledger.c.not_before.is_(None), ledger.c.not_before <= now),
        )
        with self._write() as connection:
            if intent_id is not None:
                intent = self._intent(connection, intent_id, lock=True)
                if intent.status is not IntentStatus.OPEN:
                    return False
            result = connection.execute(
                sa.update(ledger)
                .where(condition)
                .values(
                    status=SendStatus.SENDING,
                    run_id=run_id,
                    holder=holder,
                    lease_until=now + lease,
                    not_before=None,
                    attempts=ledger.c.attempts + 1,
                    detail=None,
                    updated_at=now,
                )
            )
            return result.rowcount == 1

    def finish(
        self,
        row: LedgerRow,
        *,
        holder: str,
        status: SendStatus,
        provider_message_id: str | None = None,
        detail: str | None = None,
        not_before: datetime | None = None,
    ) -> bool:
        """sending -> accepted | failed | unknown, or back to planned; only by its holder.

        A holder whose lease ran out meanwhile (the row says unknown) may still record what it
        knows, unless a person has decided since.

        Returns:
            Whether it was recorded.
        """
        with self._write() as connection:
            result = connection.execute(
                sa.update(ledger)
                .where(
                    ledger.c.ledger_id == row.ledger_id,
                    ledger.c.holder == holder,
                    ledger.c.status.in_([SendStatus.SENDING, SendStatus.UNKNOWN]),
                )
                .values(
                    status=status,
                    lease_until=None,
                    holder=holder if status is SendStatus.UNKNOWN else None,
                    not_before=not_before if status is SendStatus.PLANNED else None,
                    provider_message_id=provider_message_id,
                    detail=detail,
                    updated_at=self.now(),
                )
            )
            if result.rowcount == 1 and status in (SendStatus.ACCEPTED, SendStatus.UNKNOWN):
                self._apply_reports(connection, row.ledger_id)  # some are faster than the answer
            return result.rowcount == 1

    def refuse(self, row: LedgerRow, detail: str) -> bool:
        """planned -> failed without a call: this recipient must not get it."""
        with self._write() as connection:
            result = connection.execute(
                sa.update(ledger)
                .where(ledger.c.ledger_id == row.ledger_id, ledger.c.status == SendStatus.PLANNED)
                .values(status=SendStatus.FAILED, detail=detail, updated_at=self.now())
            )
            return result.rowcount == 1

    def renew(self, holder: str, lease: timedelta = LEASE) -> int:
        """Lengthen the lease of whatever this holder is sending; returns how many rows."""
        now = self.now()
        with self._write() as connection:
            return connection.execute(
                sa.update(ledger)
                .where(ledger.c.holder == holder, ledger.c.status == SendStatus.SENDING)
                .values(lease_until=now + lease)
            ).rowcount

    def expire(
        self,
        message_kind: str | None = None,
        subject_id: str | None = None,
        *,
        dead_runs: Collection[str] = (),
    ) -> int:
        """sending -> unknown where nobody can be sending any more; returns how many rows.

        That is: the lease ran out, the holder was a process of this machine that is gone, or its
        run is one of ``dead_runs``. A live lease is left alone.
        """
        with self._read() as connection:
            query = sa.select(ledger).where(ledger.c.status == SendStatus.SENDING)
            if message_kind is not None:
                query = query.where(ledger.c.message_kind == message_kind)
            if subject_id is not None:
                query = query.where(ledger.c.subject_id == subject_id)
            rows = [_ledger_row(row) for row in connection.execute(query)]
        expired = 0
        for row in rows:
            now = self.now()
            dead = row.run_id in dead_runs or holder_is_dead(row.holder)
            if not dead and row.lease_until is not None and row.lease_until > now:
                continue
            condition = [
                ledger.c.ledger_id == row.ledger_id,
                ledger.c.status == SendStatus.SENDING,
                ledger.c.holder == row.holder,
            ]
            if not dead:  # a heartbeat may have come since it was read
                condition.append(
                    sa.or_(ledger.c.lease_until.is_(None), ledger.c.lease_until <= now)
                )
            with self._write() as connection:
                changed = connection.execute(
                    sa.update(ledger)
                    .where(*condition)
                    .values(
                        status=SendStatus.UNKNOWN,
                        lease_until=None,
                        detail="the sender died or fell silent while sending",
                        updated_at=now,
                    )
                ).rowcount
                if changed:
                    self._apply_reports(connection, row.ledger_id)
                expired += changed
        return expired

    def report(self, events: Sequence[ProviderEvent]) -> int:
        """Keep what the provider reports and move the ledger by it; never causes a send.

        * unknown -> accepted by any report that the message was taken, -> failed by a bounce,
          block or drop; accepted -> failed by the latter; failed -> accepted by a delivery that
          happened later.
        * planned (a person had it sent again) -> accepted where the first one was taken after all;
          a failure of the first leaves it planned.
        * sending: kept, and judged once the sender has spoken or is gone.

        An event known by its id, and one older than what the row was last judged by, changes
        nothing.

        Returns:
            How many were new.
        """
        new = {event.event_id: event for event in events}
        if not new:
            return 0
        with self._write("provider events") as connection:
            known: set[str] = set(
                connection.execute(
                    sa.select(provider_events.c.event_id).where(
                        provider_events.c.event_id.in_(list(new))
                    )
                ).scalars()
            )
            fresh = [event for name, event in new.items() if name not in known]
            if fresh:
                now = self.now()
                connection.execute(
                    sa.insert(provider_events),
                    [{**vars(event), "received_at": now} for event in fresh],
                )
            for ledger_id in sorted({event.ledger_id for event in fresh}):
                self._apply_reports(connection, ledger_id)
            return len(fresh)

    def _apply_reports(self, connection: Connection, ledger_id: int) -> None:
        """Judge a row by the reports on it that are still to be counted."""
        status: str = connection.execute(
            sa.select(ledger.c.status).where(ledger.c.ledger_id == ledger_id).with_for_update()
        ).scalar_one()
        if status == SendStatus.SENDING:
            return
        found = connection.execute(
            sa.select(provider_events).where(provider_events.c.ledger_id == ledger_id)
        ).all()
        pending = [_event(row) for row in found if row.applied_at is None]
        if not pending:
            return
        now = self.now()
        judged = max(
            (_event(row).order for row in found if row.applied_at is not None and _ends(row.kind)),
            default=None,
        )
        ends = [e for e in pending if _ends(e.kind) and (judged is None or e.order > judged)]
        last = max(ends or ([] if judged else pending), key=lambda event: event.order, default=None)
        to = _verdict(SendStatus(status), last)
        if to is not None and last is not None:
            moment = last.happened_at.isoformat(" ", "minutes")
            connection.execute(
                sa.update(ledger)
                .where(ledger.c.ledger_id == ledger_id)
                .values(
                    status=to,
                    holder=None,
                    lease_until=None,
                    not_before=None,
                    detail=" ".join(f"{last.kind} {moment} {last.reason}".split()),
                    updated_at=now,
                )
            )
        connection.execute(
            sa.update(provider_events)
            .where(provider_events.c.ledger_id == ledger_id, provider_events.c.applied_at.is_(None))
            .values(applied_at=now)
        )

    def undelivered(self, *, by_report: bool) -> list[Undelivered]:
        """Reviews and letters that reached nobody: refused for good, bounced, blocked or dropped.

        One is over once a person has settled it, or a later message of any kind has reached the
        same recipient.

        Args:
            by_report: whether the channel reports deliveries: then only a report counts as one.

        Returns:
            Oldest first.
        """
        later = ledger.alias("later")
        delivered = (
            sa.select(provider_events.c.event_id)
            .where(
                provider_events.c.ledger_id == later.c.ledger_id,
                provider_events.c.kind == Report.DELIVERED,
                provider_events.c.happened_at > ledger.c.updated_at,
            )
            .exists()
        )
        taken = sa.and_(
            later.c.status == SendStatus.ACCEPTED, later.c.updated_at > ledger.c.updated_at
        )
        reached = (
            sa.select(later.c.ledger_id)
            .where(
                later.c.recipient == ledger.c.recipient,
                later.c.ledger_id != ledger.c.ledger_id,
                delivered if by_report else sa.or_(delivered, taken),
            )
            .exists()
        )
        query = (
            sa.select(
                ledger,
                editions.c.ritual,
                editions.c.period_id,
                edition_recipients.c.roles,
                provider_events.c.kind,
                provider_events.c.happened_at,
                provider_events.c.reason,
            )
            .join(editions, editions.c.edition_id == ledger.c.subject_id)
            .join(
                edition_recipients,
                sa.and_(
                    edition_recipients.c.edition_id == ledger.c.subject_id,
                    edition_recipients.c.letter == ledger.c.letter,
                    edition_recipients.c.recipient == ledger.c.recipient,
                ),
            )
            .outerjoin(
                provider_events,
                sa.and_(
                    provider_events.c.ledger_id == ledger.c.ledger_id,
                    provider_events.c.kind.in_(UNDELIVERED),
                ),
            )
            .where(
                ledger.c.message_kind == "edition",
                ledger.c.status == SendStatus.FAILED,
                ledger.c.settled_at.is_(None),
                ~reached,
            )
            .order_by(ledger.c.updated_at, ledger.c.ledger_id, provider_events.c.happened_at)
        )
        with self._read() as connection:
            last = {row.ledger_id: row for row in connection.execute(query)}
        return [
            Undelivered(
                row.ledger_id,
                row.ritual,
                row.period_id,
                row.recipient,
                row.roles,
                Report(row.kind) if row.kind else None,
                row.happened_at or row.updated_at,
                (row.reason if row.kind else row.detail) or "",
            )
            for row in last.values()
        ]

    def settle_undelivered(self, number: int, why: str) -> None:
        """A person's word that nothing more is to be done about a message that reached nobody.

        Raises:
            Problem: there is no such message.
        """
        with self._write() as connection:
            settled = connection.execute(
                sa.update(ledger)
                .where(
                    ledger.c.ledger_id == number,
                    ledger.c.status == SendStatus.FAILED,
                    ledger.c.settled_at.is_(None),
                )
                .values(settled_at=self.now(), settled_why=why)
            ).rowcount
        if not settled:
            raise Problem(
                f"message {number} is none that failed and waits for a word.",
                remedy="see the list: python -m orchestration undelivered list.",
            )

    def decide(
        self,
        message_kind: str,
        subject_id: str,
        recipient: str,
        verdict: str,
        *,
        why: str,
        letter: str = "",
    ) -> None:
        """A person's (or the provider's) word on an ``unknown``: accepted, failed or resend.

        ``resend`` plans it again and opens its edition's intent anew where that was settled.

        Raises:
            Problem: the row is not unknown; or a newer edition is pending for the period.
        """
        to = {
            "accepted": SendStatus.ACCEPTED,
            "failed": SendStatus.FAILED,
            "resend": SendStatus.PLANNED,
        }.get(verdict)
        if to is None:
            raise ValueError(f"a verdict is accepted, failed or resend, not {verdict!r}")
        lock = f"{message_kind} {subject_id}"
        edition_row = None
        if message_kind == "edition" and to is SendStatus.PLANNED:
            with self._read() as connection:
                edition_row = connection.execute(
                    sa.select(editions).where(editions.c.edition_id == subject_id)
                ).one_or_none()
            if edition_row is not None:
                lock = f"{edition_row.ritual} {edition_row.period_id}"
        with self._write(lock) as connection:
            changed = connection.execute(
                sa.update(ledger)
                .where(
                    ledger.c.message_kind == message_kind,
                    ledger.c.subject_id == subject_id,
                    ledger.c.letter == letter,
                    ledger.c.recipient == recipient,
                    ledger.c.status == SendStatus.UNKNOWN,
                )
                .values(
                    status=to,
                    holder=None,
                    lease_until=None,
                    detail=why,
                    updated_at=self.now(),
                    settled_at=self.now() if to is SendStatus.FAILED else None,
                    settled_why=why if to is SendStatus.FAILED else None,
                )
            ).rowcount
            if changed != 1:
                raise Problem(f"no message of {subject_id} to that recipient is unknown.")
            if edition_row is not None:
                self._reopen(connection, self._edition(edition_row))

    def _reopen(self, connection: Connection, edition: Edition) -> None:
        intent = self._intent(connection, edition.intent_id, lock=True)
        if intent.status in (IntentStatus.OPEN, IntentStatus.HELD):
            return
        newer = connection.execute(
            sa.select(intents.c.intent_id).where(
                intents.c.ritual == edition.ritual,
                intents.c.period_id == edition.period_id,
                intents.c.intent_id > intent.intent_id,
                intents.c.status != IntentStatus.CANCELLED,
            )
        ).first()
        if newer is not None:
            raise Problem(
                f"edition {edition.number} of {edition.period_id} was followed by a newer one.",
                remedy="settle this recipient as accepted or failed; the newer one corrects it.",
            )
        self._move(connection, intent, IntentStatus.OPEN, held_by=None)

    def counts(self, message_kind: str, subject_id: str) -> dict[SendStatus, int]:
        """How many recipients of one message stand where; every status has a number."""
        found = dict.fromkeys(SendStatus, 0)
        with self._read() as connection:
            for row in connection.execute(
                sa.select(ledger.c.status, sa.func.count())
                .where(ledger.c.message_kind == message_kind, ledger.c.subject_id == subject_id)
                .group_by(ledger.c.status)
            ):
                found[SendStatus(row[0])] = row[1]
        return found

    def delivery_summary(self, edition: Edition) -> str:
        """One line for a person: where the recipients of an edition stand; names nobody."""
        counts = self.counts("edition", edition.edition_id)
        standing = ", ".join(f"{number} {status}" for status, number in counts.items() if number)
        return f"Edition {edition.number} of {edition.period_id}: {standing or 'not sent'}."


class Sealing:
    """What may be done inside :meth:`State.sealing`."""

    def __init__(self, state: State, connection: Connection, intent: Intent) -> None:
        self._state = state
        self._connection = connection
        self.intent = intent
        self.existing = state._edition_of(connection, intent.intent_id)
        self.latest = state._latest_edition(connection, intent.ritual, intent.period_id)

    def commit(self, values: Mapping[str, Any], recipients: Sequence[FrozenRecipient]) -> Edition:
        """Write the edition's row and its recipients; they count once the block has ended."""
        row = self._connection.execute(
            sa.insert(editions).values(**values).returning(editions)
        ).one()
        self._connection.execute(
            sa.insert(edition_recipients),
            [
                {
                    "edition_id": row.edition_id,
                    "letter": each.letter,
                    "recipient": each.recipient,
                    "address": each.address,
                    "roles": each.roles,
                }
                for each in recipients
            ],
        )
        return self._state._edition(row)


class Heartbeat:
    """Renews a holder's leases from a thread of its own while the block runs."""

    def __init__(self, state: State, holder: str, lease: timedelta = LEASE) -> None:
        self._state, self._holder, self._lease = state, holder, lease
        self._stop = Event()
        self._thread = Thread(target=self._beat, name="delivery-heartbeat", daemon=True)

    def _beat(self) -> None:
        while not self._stop.wait(self._lease.total_seconds() / 4):
            try:
                self._state.renew(self._holder, self._lease)
            except Problem as problem:  # the next beat may succeed; a lost lease only costs a word
                _log.warning("heartbeat not written: %s", problem)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _is_file(url: sa.URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")


def _create_private(file: Path) -> None:
    """Create the SQLite file readable by its owner only: it holds addresses."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _make_engine(url: sa.URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, hide_parameters=True, pool_pre_ping=True)
    engine = sa.create_engine(
        url,
        hide_parameters=True,  # parameters are addresses; they must not stand in an error
        poolclass=NullPool,
        connect_args={"timeout": _BUSY_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not when the driver thinks
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        read = connection.get_execution_options().get("adoption_read", False)
        connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")

    return engine


def _sqlite_words(error: DBAPIError) -> str:
    """SQLite's own words (they name no value); other drivers' may hold a password: left out."""
    return f" ({error.orig})" if type(error.orig).__module__ == "sqlite3" else ""


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _migrate(engine: Engine, file: Path | None, shown: str) -> None:
    """Bring the schema to this version, once, whoever else opens the database meanwhile."""
    with engine.connect() as connection:
        reading = connection.execution_options(adoption_read=True)
        if _revision(reading) == SCHEMA_REVISION:
            return
    if file is None:
        _upgrade(engine, shown)
        return
    try:
        with FileLock(f"{file}.lock", timeout=_BUSY_SECONDS):
            _upgrade(engine, shown)
    except Timeout:
        raise Problem(
            "another process has been migrating the state database for too long.",
            file=shown,
            remedy="see what it is doing; the lock is freed when its process ends.",
        ) from None


def _upgrade(engine: Engine, shown: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(
                sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("adoption migrations")))
            )
        if _revision(connection) == SCHEMA_REVISION:
            return
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Problem(
                "the state database was written by another version of this project.",
                file=shown,
                remedy="run the version that wrote it, or a newer one; it was left untouched.",
            ) from error
