"""Backups: what cannot be rebuilt, copied while the system runs, read back and proved.

A backup is a folder of its own, named by its time (UTC), with ``backup.json``, which lists every
other file with its size and SHA-256, and

* ``state/state.sqlite``: the state database as it stood at one moment. SQLite is copied by its
  online backup, another database in one repeatable-read transaction, always into an SQLite file:
  it can be looked into anywhere, and be restored into either.
* ``editions/``: the sealed editions that this state knows, and what reads otherwise since. They
  are copied after it, so that none is missing; what was sealed meanwhile is left to the next
  backup.
* ``dagster/``: the Dagster instance, its databases copied online and packed (``.gz``). What it
  keeps on PostgreSQL is that database's to back up.
* ``records/``: what people recorded; ``charter/``: the programme charter in force; ``erasures/``:
  receipts of erasures.
* ``lake/``, where asked for: copied while ingest and builds wait.

It is written aside, every file of it is read back, and only then it gets its name: a folder with a
name is a whole backup. It holds addresses, and is readable by its owner only.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, ValidationError

from orchestration.delivery.editions import verify as verify_edition
from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.landing import feed_lock
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.quality.close import code_version
from orchestration.scorecard.since import since_file
from orchestration.settings import RECORDS, Settings
from orchestration.state import SCHEMA_REVISION, Edition, State, metadata
from orchestration.warehouse.lock import warehouse_lock

MANIFEST = "backup.json"
STATE = "state/state.sqlite"
PACKED = ".gz"
PARTS = ("state", "editions", "dagster", "records", "charter", "erasures", "lake")
_CHUNK = 1 << 20
_UNFINISHED_SECONDS = 86_400.0
_NAME = "%Y-%m-%dT%H%M%SZ"


class BackedUpFile(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: str
    bytes: int


class BackupManifest(BaseModel):
    """``backup.json``.

    Attributes:
        taken_at: when the copy of the state was made; aware.
        revision: of the state database.
        parts: those of ``PARTS`` that were there to be copied.
        counts: rows of the state database, by table.
        files: by place in the backup.
        faults: what was not as it should be, and was copied all the same; names no person.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    taken_at: datetime
    organisation: str
    code_version: str
    revision: str
    parts: tuple[str, ...]
    counts: dict[str, int]
    files: dict[str, BackedUpFile]
    faults: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(file.bytes for file in self.files.values())


@dataclass(frozen=True)
class Backup:
    """A finished backup: where it lies, and what is in it."""

    folder: Path
    manifest: BackupManifest


def backup(settings: Settings, to: Path, *, lake: bool = False) -> Backup:
    """Back up everything that cannot be rebuilt into a new folder beneath ``to``.

    Nothing needs to be stopped. With ``lake``, ingest and builds wait while the lake is copied.

    Raises:
        Problem: ``to`` lies in what is backed up, the disk refuses, or what was written does not
            read back the same.
    """
    to = to.resolve()
    for part in ("state", "editions", "dagster", "lake"):
        if to.is_relative_to(settings.home / part):
            raise Problem(
                f"a backup cannot lie inside {part}, which it copies.",
                file=str(to),
                remedy="name a folder elsewhere, best on another disk.",
            )
    aside = to / f".unfinished-{uuid.uuid4().hex}"
    try:
        to.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(to)
        aside.mkdir(mode=0o700)
        manifest = _write(settings, _Aside(aside), lake=lake)
        verify(aside, manifest)
        folder = to / f"{manifest.taken_at:{_NAME}}"
        if folder.exists():
            raise Problem("a backup of this second exists.", file=str(folder), remedy="try again.")
        aside.rename(folder)
        _sync_folder(to)
    except (OSError, sqlite3.Error) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Problem(
            f"the backup was not made: {words}.",
            file=str(to),
            remedy="make room or make it writable, then start it again; earlier backups are "
            "untouched.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Backup(folder, manifest)


def _remove_unfinished(to: Path) -> None:
    """What a killed backup left; one that is being made is younger than this."""
    for left in to.glob(".unfinished-*"):
        if time.time() - left.stat().st_mtime > _UNFINISHED_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def read_backup(folder: Path) -> BackupManifest:
    """The manifest of a backup; its files are proved by :func:`verify`.

    Raises:
        Problem: there is none, or it is of another format.
    """
    file = folder / MANIFEST
    try:
        return BackupManifest.model_validate_json(file.read_bytes())
    except OSError as error:
        raise Problem(
            "this is no whole backup: it has no list of its files.",
            file=str(file),
            remedy="name the folder that a backup has printed, such as .../2026-11-27T020000Z.",
        ) from error
    except ValidationError as error:
        raise Problem(
            "the list of the backup's files is damaged, or of another version of this project.",
            file=str(file),
            remedy="use another backup, or the version that made this one.",
        ) from error


def verify(folder: Path, manifest: BackupManifest) -> None:
    """Read every file of a backup and hold it against the manifest.

    Raises:
        Problem: a file is missing, changed or too many, or the state database is damaged.
    """
    remedy = "use another backup; this one cannot be trusted."
    found = {
        place.relative_to(folder).as_posix()
        for place in folder.rglob("*")
        if not place.is_dir() and place.name != MANIFEST
    }
    if odd := sorted(found ^ set(manifest.files)):
        where = "missing" if odd[0] in manifest.files else "not of it"
        raise Problem(f"a file of the backup is {where}.", file=str(folder / odd[0]), remedy=remedy)
    for name, listed in manifest.files.items():
        if described(folder / name) != listed:
            raise Problem(
                "the file is not as it was backed up.", file=str(folder / name), remedy=remedy
            )
    with closing(sqlite3.connect(f"file:{folder / STATE}?mode=ro", uri=True)) as database:
        if (told := database.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise Problem(
                f"the state database is damaged ({told}).", file=str(folder / STATE), remedy=remedy
            )


def backups_in(folder: Path, organisation: str) -> list[Path]:
    """The whole backups of an organisation that lie in a folder, oldest first."""
    found = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            if place.is_dir() and read_backup(place).organisation == organisation:
                found.append(place)
        except Problem:
            continue
    return found


# ---- the parts -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Aside:
    """A backup while it is written: its folder, and what each file must read back as."""

    folder: Path
    files: dict[str, BackedUpFile] = field(default_factory=dict)

    def copy(self, source: Path, name: str) -> None:
        """Copy one file; one that went since it was listed is left out."""
        target = self._place(name)
        try:
            with source.open("rb") as content, target.open("xb") as handle:
                digest = hashlib.sha256()
                while chunk := content.read(_CHUNK):
                    digest.update(chunk)
                    handle.write(chunk)
                _sync(handle)
                self.files[name] = BackedUpFile(sha256=digest.hexdigest(), bytes=handle.tell())
        except FileNotFoundError:
            return

    def copy_all(self, source: Path, under: str) -> None:
        """Copy every plain file beneath a folder."""
        for file in plain_files(source):
            self.copy(file, f"{under}/{file.relative_to(source).as_posix()}")

    def write(self, content: bytes, name: str) -> None:
        """Write one file."""
        with self._place(name).open("xb") as handle:
            handle.write(content)
            _sync(handle)
        self.files[name] = BackedUpFile(
            sha256=hashlib.sha256(content).hexdigest(), bytes=len(content)
        )

    def made(self, name: str) -> None:
        """Take in a file that was written here by others."""
        with (self.folder / name).open("rb") as handle:
            _sync(handle)
        self.files[name] = described(self.folder / name)

    def _place(self, name: str) -> Path:
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _write(settings: Settings, aside: _Aside, *, lake: bool) -> BackupManifest:
    taken_at = datetime.now(UTC).replace(microsecond=0)
    (aside.folder / STATE).parent.mkdir()
    with State.open(settings) as state:
        copy_state(state, aside.folder / STATE)
    counts, faults = _copy_editions(settings, aside)
    aside.made(STATE)
    _copy_dagster(settings.home / "dagster", aside)
    aside.copy_all(records_folder(settings), "records")
    aside.copy_all(settings.home / "charter", "charter")
    aside.copy_all(settings.home / "erasures", "erasures")
    if lake:
        _copy_lake(settings, aside)
    manifest = BackupManifest(
        taken_at=taken_at,
        organisation=settings.organisation.name,
        code_version=code_version(),
        revision=SCHEMA_REVISION,
        parts=tuple(p for p in PARTS if any(name.startswith(f"{p}/") for name in aside.files)),
        counts=counts,
        files=dict(sorted(aside.files.items())),
        faults=faults,
    )
    with (aside.folder / MANIFEST).open("x", encoding="utf-8") as handle:
        handle.write(manifest.model_dump_json(indent=1) + "\n")
        _sync(handle)
    return manifest


def copy_state(state: State, target: Path) -> None:
    """Copy the state database, as it stands at one moment, into a new SQLite file."""
    with state.reading() as connection:
        if connection.dialect.name == "sqlite":
            copy_database(connection.connection.driver_connection, target)
            return
        connection.execution_options(isolation_level="REPEATABLE READ")
        with State.at(f"sqlite:///{target}", target.parent) as copy:
            fill(copy, _rows(connection))
    single_file(target)


_TABLES = metadata.sorted_tables


def fill(state: State, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make a state database hold these rows and no others, in one transaction.

    Args:
        rows: of each table, as selected from another state database.
    """
    with state.writing("restore") as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for table in reversed(_TABLES):
            connection.execute(sa.delete(table))
        for table in _TABLES:
            if found := [dict(row) for row in rows[table.name]]:
                connection.execute(sa.insert(table), found)
            (key, *more) = table.primary_key.columns
            if not sqlite and not more and isinstance(key.type, sa.Integer):
                # the next number follows the highest one that was given
                connection.execute(
                    sa.select(
                        sa.func.setval(
                            sa.func.pg_get_serial_sequence(table.name, key.name),
                            sa.select(sa.func.coalesce(sa.func.max(key), 0) + 1).scalar_subquery(),
                            False,
                        )
                    )
                )


def rows_of(state: State) -> dict[str, list[dict[str, Any]]]:
    """Every row of a state database, by table."""
    with state.reading() as connection:
        return _rows(connection)


def _rows(connection: sa.Connection) -> dict[str, list[dict[str, Any]]]:
    return {
        table.name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
        for table in _TABLES
    }


def copy_database(source: Any, target: Path) -> None:
    """Copy an open SQLite database by its online backup into one file of its own."""
    with closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
    single_file(target)


def single_file(database: Path) -> None:
    """Have an SQLite database that nobody has open lie in its one file."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    Path(f"{database}.lock").unlink(missing_ok=True)  # of its migration
    database.chmod(0o600)


def _copy_editions(settings: Settings, aside: _Aside) -> tuple[dict[str, int], tuple[str, ...]]:
    """Copy the editions that the copied state knows; its rows by table, and what is amiss."""
    database = aside.folder / STATE
    with State.at(f"sqlite:///{database}", settings.home) as copied:
        counts = {name: len(rows) for name, rows in rows_of(copied).items()}
        editions = copied.editions()
    single_file(database)
    for edition in editions:
        place = Path(edition.folder)
        aside.copy_all(place, place.relative_to(settings.home).as_posix())
        since = since_file(place)
        aside.copy(since, since.relative_to(settings.home).as_posix())
    return counts, tuple(edition_faults(editions))


def edition_faults(editions: Iterable[Edition]) -> list[str]:
    """The editions whose files are not as they were sealed, in words."""
    faults = []
    for edition in editions:
        try:
            verify_edition(edition)
        except Problem as problem:
            faults.append(f"{edition.edition_id}: {problem.message.rstrip('.')}")
    return faults


def _copy_dagster(source: Path, aside: _Aside) -> None:
    for file in plain_files(source):
        name = f"dagster/{file.relative_to(source).as_posix()}"
        if file.name.endswith((".db-wal", ".db-shm", ".db-journal")):
            continue  # of a database that is copied as a whole
        if file.suffix != ".db":
            aside.copy(file, name)
            continue
        plain, packed = aside.folder / "plain.db", aside.folder / f"{name}{PACKED}"
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                copy_database(database, plain)
        except sqlite3.OperationalError:
            if file.exists():
                raise
            plain.unlink(missing_ok=True)  # its run was removed meanwhile
            continue
        packed.parent.mkdir(parents=True, exist_ok=True)
        with plain.open("rb") as content, gzip.open(packed, "xb", compresslevel=1) as handle:
            shutil.copyfileobj(content, handle, _CHUNK)
        plain.unlink()
        aside.made(f"{name}{PACKED}")


def records_folder(settings: Settings) -> Path:
    """The folder that the system writes what people record into."""
    (pattern,) = RECORDS.files.values()
    return settings.landing_folder / Path(pattern).parts[0]


def _copy_lake(settings: Settings, aside: _Aside) -> None:
    lake = Lake(settings.lake_url, settings.duckdb)
    with still(settings, "a backup of the lake"):
        for name in lake.files():
            if not name.endswith(".tmp"):
                aside.write(lake.read_bytes(name), f"lake/{name}")


@contextmanager
def still(settings: Settings, purpose: str) -> Iterator[None]:
    """Keep ingest and builds waiting while the block runs.

    Raises:
        Problem: one of them has been at work for longer than is waited for.
    """
    with ExitStack() as held:
        for feed in CONTRACT:
            held.enter_context(feed_lock(settings, feed))
        held.enter_context(warehouse_lock(settings, purpose))
        yield


def plain_files(folder: Path) -> list[Path]:
    """Every plain file beneath a folder, in order; what leads elsewhere is left."""
    return sorted(f for f in folder.rglob("*") if f.is_file() and not f.is_symlink())


def described(file: Path) -> BackedUpFile:
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return BackedUpFile(sha256=digest, bytes=handle.tell())


def _sync(handle: IO[Any]) -> None:
    handle.flush()
    os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
