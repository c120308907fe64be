"""The Parquet lake: one root, local or any fsspec URL, read and written through DuckDB.

Nothing in the lake becomes visible before its index file does: writers lay data files first and
then replace the index (``in_force/<feed>.parquet``, ``published/index__<grain>.parquet``), which
is the one commit point. Files the index does not name do not exist for readers.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import duckdb
import fsspec
import pyarrow.parquet as pq

from orchestration.problems import Problem, refusal_of_disk
from orchestration.settings import DuckDBSettings

PLACEHOLDER_DAY = "1970-01-01"


class Lake:
    """A folder tree of Parquet and JSON files on one file system.

    Args:
        url: absolute local path or fsspec URL of the root.
        engine: limits for the DuckDB connections it opens.
    """

    def __init__(self, url: str, engine: DuckDBSettings | None = None) -> None:
        self._fs: fsspec.AbstractFileSystem
        # what another process writes is seen at once: no listing is kept
        self._fs, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self._engine = engine or DuckDBSettings()
        self.is_local = self.protocol == "file"
        self.root = self._root if self.is_local else url.rstrip("/")

    def path(self, *parts: str) -> str:
        """The full path of a file, as DuckDB (with this lake's connection) reads it."""
        return posixpath.join(self.root, *parts)

    def _at(self, *parts: str) -> str:
        return posixpath.join(self._root, *parts)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A fresh in-memory DuckDB connection: UTC, limited memory, no downloads, lake readable."""
        connection = duckdb.connect(
            config={
                "memory_limit": self._engine.memory_limit,
                "threads": self._engine.threads,
                "autoinstall_known_extensions": False,
                "preserve_insertion_order": False,
            }
        )
        connection.execute("SET TimeZone = 'UTC'")
        self.attach(connection)
        return connection

    @property
    def protocol(self) -> str:
        """The name by which fsspec knows the file system: ``file``, ``s3``."""
        protocol = self._fs.protocol
        return str(protocol if isinstance(protocol, str) else protocol[0])

    def attach(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let a connection read and write this lake's paths (needed where it is not local)."""
        if not self.is_local:
            connection.register_filesystem(self._fs)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Say a full disk or a read-only lake in words; what is in force stays as it is.

        Raises:
            Problem: the file system takes nothing more.
        """
        try:
            yield
        except (OSError, duckdb.IOException) as error:
            reason = refusal_of_disk(error)
            if reason is None:
                raise
            raise Problem(
                f"the lake cannot be written: {reason}.",
                file=self.root,
                remedy="make room or make it writable, then start the same run again: it goes on "
                "from the last state, which is unchanged.",
            ) from error

    def make_folder(self, *parts: str) -> None:
        """Create a folder and its parents; does nothing on object stores without folders."""
        with self.writing():
            self._fs.makedirs(self._at(*parts), exist_ok=True)

    def exists(self, *parts: str) -> bool:
        """Whether the file or folder exists."""
        return bool(self._fs.exists(self._at(*parts)))

    def files(self, *parts: str, suffix: str = "") -> list[str]:
        """Every file beneath a folder, relative to the lake's root, sorted."""
        folder = self._at(*parts)
        if not self._fs.exists(folder):
            return []
        found: Iterable[str] = self._fs.find(folder)
        return sorted(posixpath.relpath(f, self._root) for f in found if f.endswith(suffix))

    def read_bytes(self, *parts: str) -> bytes:
        """The content of one file."""
        with self._fs.open(self._at(*parts), "rb") as handle:
            content: bytes = handle.read()
            return content

    def opened(self, *parts: str) -> AbstractContextManager[Any]:
        """One file, open for reading from any place in it."""
        handle: AbstractContextManager[Any] = self._fs.open(self._at(*parts), "rb")
        return handle

    def read_json(self, *parts: str) -> Any:
        """Parse one JSON file."""
        return json.loads(self.read_bytes(*parts))

    def read_rows(self, *parts: str) -> list[dict[str, Any]]:
        """Every row of one small Parquet file, such as an index; no engine is started for it."""
        with self._fs.open(self._at(*parts), "rb") as handle:
            rows: list[dict[str, Any]] = pq.read_table(handle).to_pylist()
        return rows

    def write_json(self, value: Any, *parts: str) -> None:
        """Write one JSON file, whole or not at all."""
        self.write_bytes(
            json.dumps(value, indent=1, sort_keys=True, default=str).encode() + b"\n",
            *parts,
        )

    def write_bytes(self, content: bytes, *parts: str) -> None:
        """Write one file, whole or not at all: aside, synced, then renamed over the old one."""
        with self.writing():
            self._write_bytes(content, self._at(*parts))

    def _write_bytes(self, content: bytes, target: str) -> None:
        self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
        if not self.is_local:  # an object appears only once it is complete
            with self._fs.open(target, "wb") as handle:
                handle.write(content)
            return
        aside = f"{target}.{uuid.uuid4().hex}.tmp"
        try:
            with open(aside, "wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            os.replace(aside, target)
        except OSError:  # a full disk, say: what was written of it takes no more room
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise

    def write_parquet(
        self, connection: duckdb.DuckDBPyConnection, query: str, *parts: str, level: int = 3
    ) -> None:
        """Write the result of ``query`` to one Parquet file, whole or not at all.

        The query decides the order of rows; give it an ORDER BY where bytes must repeat.
        ``level`` is zstd's: how hard it tries, 1 to 22.
        """
        target = self._at(*parts)
        self._fs.makedirs(posixpath.dirname(target), exist_ok=True)
        name = f"{self.path(*parts)}.{uuid.uuid4().hex}.tmp" if self.is_local else self.path(*parts)
        with self.writing():
            connection.execute(
                f"COPY ({query}) TO {quoted(name)} "
                f"(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {level})"
            )
            if self.is_local:
                with open(name, "rb") as handle:
                    os.fsync(handle.fileno())
                os.replace(name, target)

    def move(self, source: tuple[str, ...], target: tuple[str, ...]) -> None:
        """Move one file within the lake, replacing what is there."""
        destination = self._at(*target)
        self._fs.makedirs(posixpath.dirname(destination), exist_ok=True)
        if self.is_local:
            os.replace(self._at(*source), destination)
        else:
            self._fs.mv(self._at(*source), destination)

    def remove(self, *parts: str) -> None:
        """Remove a file or a folder with all beneath it; absent is fine."""
        if self._fs.exists(self._at(*parts)):
            self._fs.rm(self._at(*parts), recursive=True)


def quoted(text: str) -> str:
    """``text`` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
