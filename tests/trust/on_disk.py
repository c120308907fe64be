"""Where a text stands on disk: every byte of a folder, also what is packed or encoded.

Compressed streams are unpacked (gzip, zip and so XLSX, the streams of a PDF, Parquet, zlib'd values
of a database), encoded ones decoded (the parts of a mail), and the text of a PDF is read. SQLite
and DuckDB files are read as bytes, for what was deleted, and as tables, for what lies across two
pages or is compressed.
"""

from __future__ import annotations

import email
import gzip
import io
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import PdfReadError

_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def places(folder: Path, texts: Collection[str]) -> dict[str, list[str]]:
    """Each file beneath ``folder`` (by its path) that holds one of the texts, and which."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        here = {text for text in texts if text in file.name}
        here |= held(file.read_bytes(), texts)
        here |= _in_tables(file, texts)
        if here:
            found[file.relative_to(folder).as_posix()] = sorted(here)
    return found


def held(content: bytes, texts: Collection[str]) -> set[str]:
    """Which of the texts the bytes hold, whatever they are packed in."""
    found: set[str] = set()
    for piece in _pieces(content):
        found |= {text for text in texts if text.encode() in piece}
        found |= {text for text in texts if text.encode("utf-16-le") in piece}
    return found


def _pieces(content: bytes) -> Iterator[bytes]:
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from _pieces(gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            for name in parts.namelist():
                yield from _pieces(parts.read(name))
    elif content[:4] == b"%PDF":
        for stream in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
            yield from _inflated(stream[1])
        yield _said_in_pdf(content)
    elif content[:4] == b"PAR1":
        yield from _columns(content)
    elif content[:2] in _ZLIB:
        yield from _inflated(content)
    elif b"\nMIME-Version: 1.0" in content[:4000]:
        for part in email.message_from_bytes(content).walk():
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield from _pieces(payload)


@cache
def _said_in_pdf(content: bytes) -> bytes:
    """The text of a PDF: its streams hold numbers of glyphs."""
    try:
        pages = PdfReader(io.BytesIO(content)).pages
        return "\n".join(page.extract_text() for page in pages).encode()
    except PdfReadError:
        return b""


def _inflated(content: bytes) -> Iterator[bytes]:
    try:
        yield zlib.decompress(content)
    except zlib.error:
        return


def _columns(content: bytes) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for column in pq.read_table(io.BytesIO(content)).columns:
        if pa.types.is_string(column.type):
            for chunk in column.chunks:
                data = chunk.buffers()[2]
                if data is not None:
                    yield data.to_pybytes()


def _in_tables(file: Path, texts: Collection[str]) -> set[str]:
    with file.open("rb") as handle:
        head = handle.read(16)
    if head[:15] == b"SQLite format 3":
        return _in_sqlite(file, texts)
    return _in_duckdb(file, texts) if head[8:12] == b"DUCK" else set()


def _in_sqlite(file: Path, texts: Collection[str]) -> set[str]:
    found: set[str] = set()
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            name = table.decode()
            for _, column, *_ in database.execute(f'PRAGMA table_info("{name}")').fetchall():
                cell = f'"{column.decode()}"'
                for text in set(texts) - found:
                    query = f'SELECT 1 FROM "{name}" WHERE instr({cell}, ?) > 0 LIMIT 1'
                    if database.execute(query, [text]).fetchone():
                        found.add(text)
                packed = f"SELECT {cell} FROM \"{name}\" WHERE typeof({cell}) = 'blob'"
                for (value,) in database.execute(packed):
                    found |= held(value, texts)
    return found


def _in_duckdb(file: Path, texts: Collection[str]) -> set[str]:
    import duckdb

    found: set[str] = set()
    with duckdb.connect(str(file), read_only=True) as database:
        tables = database.execute(
            "SELECT schema_name, table_name, list(column_name) FROM duckdb_columns() "
            "WHERE NOT internal AND data_type LIKE 'VARCHAR%' GROUP BY ALL"
        ).fetchall()
        for schema, table, columns in tables:
            row = " || chr(10) || ".join(f"coalesce(\"{name}\"::VARCHAR, '')" for name in columns)
            held_in = [f"count(*) FILTER (contains({row}, ?))" for _ in texts]
            query = f'SELECT {", ".join(held_in)} FROM "{schema}"."{table}"'
            try:
                counts = database.execute(query, list(texts)).fetchone() or ()
            except duckdb.Error:  # a view whose files are elsewhere
                continue
            found |= {text for text, count in zip(texts, counts, strict=True) if count}
    return found
