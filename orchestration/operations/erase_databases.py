"""Taking a person out of databases: the state, Dagster's history. Their files are rewritten.

A deleted row's bytes stay in a file of SQLite until its page is used again, so every database that
was changed is vacuumed with ``secure_delete``, and its write-ahead log is emptied.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from orchestration.addresses import Mailbox
from orchestration.operations.traces import Traces
from orchestration.state import Edition, State, edition_recipients, ledger

_BESIDE = ("", "-wal", "-journal")
_TEXTS = (sa.String, sa.JSON, sa.types.NullType)


def messages_to(state: State, traces: Traces) -> int:
    """How many rows of the state are a message or an edition to them."""
    with state.reading() as connection:
        return sum(
            connection.execute(
                sa.select(sa.func.count()).select_from(table).where(_addressed(table, traces))
            ).scalar_one()
            for table in (ledger, edition_recipients)
        )


def forget_messages(state: State, traces: Traces) -> None:
    """Delete their rows of the ledger, with what was reported of them, and among recipients."""
    with state.writing("erasures") as connection:
        for table in (ledger, edition_recipients):
            connection.execute(sa.delete(table).where(_addressed(table, traces)))


def forget_letters(state: State, edition: Edition, letters: Collection[str]) -> None:
    """Delete what says that letters of an edition, which are no more, went to anybody."""
    with state.writing("erasures") as connection:
        connection.execute(
            sa.delete(ledger).where(
                ledger.c.subject_id == edition.edition_id, ledger.c.letter.in_(letters)
            )
        )
        connection.execute(
            sa.delete(edition_recipients).where(
                edition_recipients.c.edition_id == edition.edition_id,
                edition_recipients.c.letter.in_(letters),
            )
        )


def _addressed(table: sa.Table, traces: Traces) -> sa.ColumnElement[bool]:
    addresses = [word for word in traces.words if "@" in word]
    known = {*addresses, *(Mailbox(each).key for each in addresses)}
    columns = [table.c.recipient, *([table.c.address] if "address" in table.c else [])]
    return sa.or_(*(sa.func.lower(c).in_({each.lower() for each in known}) for c in columns))


def told_in(engine: Engine, traces: Traces) -> int:
    """How many values of a database tell of them; one more where freed bytes of its file do."""
    with engine.connect() as connection:
        found = sum(1 for _ in _telling(connection, traces))
    return found + (not found and _in_freed_bytes(engine, traces))


def take_out(engine: Engine, traces: Traces) -> None:
    """Have a database tell of them no more, and its files hold no byte of what did."""
    with engine.begin() as connection:
        for table, column, value, instead in [*_telling(connection, traces)]:
            connection.execute(
                sa.update(table).where(table.c[column] == value).values({column: instead})
            )
        tables = sa.inspect(connection).get_table_names()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
            connection.exec_driver_sql("VACUUM")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
        else:
            for name in tables:
                connection.execute(sa.text(f'VACUUM FULL "{name}"'))
    engine.dispose()


@contextmanager
def opened(url: str | sa.URL) -> Iterator[Engine]:
    """A database of others, for as long as the block runs."""
    engine = sa.create_engine(url, hide_parameters=True)
    try:
        yield engine
    finally:
        engine.dispose()


def _telling(
    connection: Connection, traces: Traces
) -> Iterator[tuple[sa.TableClause, str, Any, Any]]:
    """Every value that tells of them, once a column, and what is to stand there instead."""
    inspector = sa.inspect(connection)
    for name in inspector.get_table_names():
        kinds = {column["name"]: column["type"] for column in inspector.get_columns(name)}
        table = sa.table(name, *(sa.column(column) for column in kinds))
        texts = [c for c, kind in kinds.items() if isinstance(kind, _TEXTS)]
        seen: set[tuple[str, str]] = set()
        for row in connection.execute(_suspects(connection, name, texts, traces)) if texts else ():
            for column, value in zip(texts, row, strict=True):
                if isinstance(value, str) and (column, value) not in seen and traces.tells(value):
                    seen.add((column, value))
                    yield table, column, value, traces.without(value)
        for column, kind in kinds.items():
            if isinstance(kind, sa.LargeBinary):
                yield from _telling_packed(connection, traces, table, column)


def _suspects(
    connection: Connection, table: str, columns: list[str], traces: Traces
) -> sa.TextClause:
    """The rows in whose texts a form of theirs stands; written out, as it is asked of every table
    of every run's database."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    place = "instr" if connection.dialect.name == "sqlite" else "strpos"
    forms = {f"form_{number}": form.lower() for number, form in enumerate(traces.forms)}
    texts = [f"CAST({quote(column)} AS TEXT)" for column in columns]
    parts = [f"{place}(lower({text}), :{form}) > 0" for text in texts for form in forms]
    query = f"SELECT {', '.join(texts)} FROM {quote(table)} WHERE {' OR '.join(parts) or '1 = 0'}"
    return sa.text(query).bindparams(**forms)


def _telling_packed(
    connection: Connection, traces: Traces, table: sa.TableClause, column: str
) -> Iterator[tuple[sa.TableClause, str, Any, Any]]:
    for (value,) in connection.execute(
        sa.select(table.c[column]).where(table.c[column].is_not(None)).distinct()
    ).all():
        assert isinstance(value, bytes | str)
        content = value.encode() if isinstance(value, str) else value
        if not traces.in_content(content):
            continue
        try:
            text = zlib.decompress(content).decode()
        except (zlib.error, UnicodeDecodeError):
            yield table, column, value, traces.without(content.decode("utf-8", "replace")).encode()
        else:
            yield table, column, value, zlib.compress(traces.without(text).encode())


def _in_freed_bytes(engine: Engine, traces: Traces) -> bool:
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return False
    files = [Path(f"{engine.url.database}{end}") for end in _BESIDE]
    return any(file.exists() and traces.in_file(file) for file in files)
