"""The search itself finds what it is to find: a text planted in each kind of file."""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import duckdb
import openpyxl
import pytest

from tests.trust.on_disk import places

TEXT = "canary-4711"


def _sheet(file: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"] = TEXT
    book.save(file)


def _pdf(file: Path) -> None:
    packed = zlib.compress(f"({TEXT}) Tj".encode())
    file.write_bytes(b"%PDF-1.7\n1 0 obj\nstream\n" + packed + b"\nendstream\nendobj\n%%EOF\n")


def _mail(file: Path) -> None:
    mail = EmailMessage()
    mail["Subject"] = "x"
    mail.set_content("y")
    content = gzip.compress(TEXT.encode())
    mail.add_attachment(content, maintype="application", subtype="gzip", filename="z.gz")
    file.write_bytes(mail.as_bytes())


def _sqlite(file: Path, value: object) -> None:
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE t (a, b)")
        database.execute("INSERT INTO t VALUES (1, ?)", [value])
    database.close()


def _across_pages(file: Path) -> None:
    """A value so long that it goes on in another page, and the text lies across that."""
    for before in range(880, 960, 4):
        _sqlite(file, ("x" * before + TEXT).ljust(5000, "y"))
        if TEXT.encode() not in file.read_bytes():
            return
        file.unlink()
    raise AssertionError("no page ends within the text")


def _parquet(file: Path) -> None:
    duckdb.sql(f"SELECT '{TEXT}' AS a FROM range(5)").write_parquet(str(file), compression="zstd")


def _duckdb(file: Path) -> None:
    with duckdb.connect(str(file)) as database:
        database.execute(f"CREATE TABLE t AS SELECT '{TEXT}' || i AS a FROM range(100000) r(i)")


@pytest.mark.parametrize(
    "write",
    [
        lambda file: file.write_text(f"a {TEXT}"),
        lambda file: file.write_text(TEXT, encoding="utf-16"),
        lambda file: file.write_bytes(gzip.compress(gzip.compress(TEXT.encode()))),
        _sheet,
        _pdf,
        _mail,
        lambda file: _sqlite(file, zlib.compress(TEXT.encode())),
        _across_pages,
        _parquet,
        _duckdb,
    ],
)
def test_a_planted_text_is_found(tmp_path: Path, write: Callable[[Path], object]) -> None:
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "file")
    (tmp_path / "other").write_text("nothing")
    assert places(tmp_path, [TEXT, "canary-else"]) == {"folder/file": [TEXT]}


def test_a_name_is_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / f"{TEXT}.txt").write_text("")
    assert places(tmp_path, [TEXT]) == {f"{TEXT}.txt": [TEXT]}
