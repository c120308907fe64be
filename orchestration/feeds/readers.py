"""Delivered files as DuckDB relations: CSV, XLSX, JSON lines and Parquet, streamed.

Every file is read once by Python, as bytes, for its hash, its gzip and its encoding, and then by
DuckDB. A relation has every source column and two more: ``_file`` (path under the landing folder)
and ``_row`` (1-based data row of that file; header and blank lines are not counted). Columns of
CSV, XLSX and JSON lines are VARCHAR (a nested JSON value is its JSON text); Parquet keeps its
types. Empty text and the declaration's ``null_values`` are null.

DuckDB's own UTF-16 and Latin-1 decoding is not used: it reads a big-endian file as an empty table
and refuses valid Latin-1. Such files are transcoded through a scratch file, in pieces.

A file that cannot be read as declared raises ``ContractProblem``; no message quotes a value.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import duckdb

from orchestration.lake import identifier, quoted
from orchestration.problems import Problem, shown
from orchestration.settings import FeedSettings

_CHUNK = 1 << 20
_PACKED_CHUNK = 1 << 16  # gzip grows a thousandfold at worst
_XLSX_BATCH = 5000
_MAX_LINE = 16 << 20
_MAX_HEADER = 1 << 20
_MAX_COLUMNS = 2000
_MAX_SHEET_ROWS = 1 << 20
_BOMB_BYTES, _BOMB_RATIO = 64 << 20, 200  # tables shrink ten- to fiftyfold, as a rule
_BOMB_ROWS, _BOMB_ROWS_A_BYTE = 10_000_000, 200  # no key is packed as tightly
_MAX_HELD = 256 << 20  # of a workbook's parts that are held whole
_XLSX_BATCH_CHARACTERS = 16 << 20
XLSX_TIME = "%Y-%m-%d %H:%M:%S"
FILE, ROW = "_file", "_row"


class ContractProblem(Problem):
    """The delivery as a whole breaks the feed's contract and is refused."""


@dataclass(frozen=True)
class Source:
    """One delivered file, read once and ready for DuckDB.

    Attributes:
        name: path under the landing folder, as messages and manifests name it.
        text: the file DuckDB reads (the file itself, or its transcoded copy).
        columns: source column names, in order.
        relation: SQL of a relation with these columns, ``_file`` and ``_row``.
        table: temporary table behind the relation, to drop when done; None where there is none.
        sheet: declared sheet of a workbook, None where none is named.
    """

    view: str
    name: str
    path: Path
    text: Path
    sha256: str
    size: int
    columns: tuple[str, ...] = ()
    relation: str = ""
    table: str | None = None
    sheet: str | None = None

    @property
    def place(self) -> str:
        """How messages and quarantined rows name where a row stands: file, and sheet if named."""
        return self.name if self.sheet is None else f"{self.name} (sheet {self.sheet})"


def inspect(path: Path, name: str, view: str, declaration: FeedSettings, scratch: Path) -> Source:
    """Hash one file and prove that it can be read: not empty, whole gzip, the encoding declared.

    Args:
        name: how messages name the file.
        scratch: local folder for a transcoded copy.

    Raises:
        ContractProblem: the file is empty, its gzip is damaged, or its encoding is another.
    """
    size = path.stat().st_size
    is_text = declaration.format in ("csv", "jsonl")
    digest = hashlib.sha256()
    if not is_text:
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                digest.update(chunk)
        _refuse_empty(size, name)
        sheet = declaration.sheet_of(view) if declaration.format == "xlsx" else None
        return Source(view, name, path, path, digest.hexdigest(), size, sheet=sheet)
    decoder = _Decoder(name, declaration.encoding)
    copy = scratch / f"{view}-{hashlib.sha256(name.encode()).hexdigest()[:16]}.txt"
    sink = copy.open("wb") if declaration.encoding != "utf-8" else None
    try:
        with path.open("rb") as handle:
            for chunk in _inflated(handle, name, digest, size):
                text = decoder.decode(chunk)
                if sink is not None:
                    sink.write(text.encode("utf-8", "surrogatepass"))
            tail = decoder.finish()
            if sink is not None:
                sink.write(tail.encode("utf-8", "surrogatepass"))
    finally:
        if sink is not None:
            sink.close()
    if decoder.position == 0:
        _refuse_empty(0, name)
    return Source(view, name, path, copy if sink else path, digest.hexdigest(), size)


def _refuse_bomb(size: int, unpacked: int, file: str) -> None:
    """Refuse what grows out of all proportion; ``unpacked`` in bytes or characters so far."""
    if unpacked > _BOMB_BYTES and unpacked > _BOMB_RATIO * size:
        raise ContractProblem(
            f"the file of {size:,} bytes unpacks to {unpacked:,} and more, which no table does.",
            file=file,
            remedy="send the rows themselves, packed as usual; the file is built to fill a disk.",
        )


def _refuse_empty(size: int, name: str) -> None:
    if size == 0:
        raise ContractProblem(
            "the file is empty (0 bytes).",
            file=name,
            remedy="send the file again; a delivery without rows still has its header.",
        )


def _inflated(handle: BinaryIO, name: str, digest: Any, size: int) -> Iterator[bytes]:
    """The file's content in pieces, unpacked where the name says gzip; hashes the raw bytes."""
    if not name.endswith(".gz"):
        while chunk := handle.read(_CHUNK):
            digest.update(chunk)
            yield chunk
        return
    engine, at, started, unpacked = zlib.decompressobj(31), 0, False, 0
    try:
        while chunk := handle.read(_PACKED_CHUNK):
            digest.update(chunk)
            at += len(chunk)
            while chunk:
                if engine.eof:  # another member may follow; of padding, DuckDB reads none
                    if chunk[:2] != b"\x1f\x8b"[: len(chunk)]:
                        raise ContractProblem(
                            f"something else follows the gzip data, before byte {at}.",
                            file=name,
                            remedy="send the file again, packed and with nothing after it.",
                        )
                    engine = zlib.decompressobj(31)
                started = True
                plain = engine.decompress(chunk)
                unpacked += len(plain)
                _refuse_bomb(size, unpacked, name)
                if plain:
                    yield plain
                chunk = engine.unused_data
    except zlib.error as error:
        raise ContractProblem(
            f"not a whole gzip file: {error}, before byte {at}.",
            file=name,
            remedy="send the file again; it was cut short, changed on its way or never packed.",
        ) from error
    if started and not engine.eof:
        raise ContractProblem(
            f"the gzip file is cut short: it ends at byte {at} in the middle of its data.",
            file=name,
            remedy="send the file again, whole.",
        )


class _Decoder:
    """Decodes pieces strictly, and knows the line and byte at which that fails."""

    def __init__(self, name: str, encoding: str) -> None:
        self._name = name
        self._encoding = encoding
        self._inner = codecs.getincrementaldecoder(encoding)("strict")
        self._pending = 0
        self._lines = 0
        self.position = 0
        self._foreign: codecs.IncrementalDecoder | None = None
        if encoding == "latin-1":
            self._foreign = codecs.getincrementaldecoder("utf-8")("strict")
        self._is_ascii = True

    def decode(self, chunk: bytes) -> str:
        if self.position == 0:
            self._judge_start(chunk)
        if self._encoding != "utf-16" and b"\0" in chunk:
            at = chunk.index(b"\0")
            self._wrong(
                self._lines + chunk.count(b"\n", 0, at),
                self.position + at,
                "a NUL byte, which text does not have",
                'it may be UTF-16: declare encoding = "utf-16"',
            )
        try:
            text = self._inner.decode(chunk)
        except UnicodeDecodeError as error:
            self._refuse(error)
        if self._foreign is not None:
            self._is_ascii = self._is_ascii and chunk.isascii()
            try:
                self._foreign.decode(chunk)
            except UnicodeDecodeError:
                self._foreign = None
        self._lines += text.count("\n")
        self.position += len(chunk)
        state = self._inner.getstate()[0]
        self._pending = len(state) if isinstance(state, bytes) else 0
        return text

    def finish(self) -> str:
        try:
            text = self._inner.decode(b"", True)
        except UnicodeDecodeError as error:
            self._refuse(error)
        if self._foreign is not None and not self._is_ascii:
            try:
                self._foreign.decode(b"", True)
            except UnicodeDecodeError:
                return text
            raise ContractProblem(
                "the file is UTF-8, but latin-1 is declared: its letters with accents would be "
                "read as two wrong ones.",
                file=self._name,
                remedy='declare encoding = "utf-8".',
            )
        return text

    def _judge_start(self, chunk: bytes) -> None:
        if self._encoding == "utf-16":
            if chunk[:2] not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and b"\0" not in chunk:
                self._wrong(0, 0, "no UTF-16", 'declare encoding = "utf-8" or "latin-1"')
        elif chunk[:2] == b"\x1f\x8b":
            self._wrong(0, 0, "gzip data", "name the file .gz, in the file pattern too")
        elif chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            self._wrong(0, 0, "a UTF-16 mark", 'declare encoding = "utf-16"')

    def _refuse(self, error: UnicodeDecodeError) -> None:
        before = error.object[: error.start]
        newline = "\n".encode("utf-16-le") if self._encoding == "utf-16" else b"\n"
        self._wrong(
            self._lines + before.count(newline),
            max(0, self.position - self._pending) + error.start,
            "a byte that is not possible there",
            "send the file in the declared encoding, or declare the one it has "
            "(utf-8, utf-16, latin-1)",
        )

    def _wrong(self, lines: int, position: int, found: str, remedy: str) -> None:
        raise ContractProblem(
            f"the file is not {self._encoding}: line {lines + 1} (byte {position}) has {found}.",
            file=self._name,
            row=lines or None,
            remedy=f"{remedy}.",
        )


def opened(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    declaration: FeedSettings,
    number: int,
) -> Source:
    """The source with its columns and the SQL of its relation.

    Args:
        number: makes the names of temporary tables unique within a delivery.

    Raises:
        ContractProblem: there is no header, a column name occurs twice, or the file is damaged.
    """
    reader = {
        "csv": _csv,
        "xlsx": _xlsx,
        "jsonl": _json_lines,
        "parquet": _parquet,
    }[declaration.format]
    return reader(connection, source, declaration, number)


def union(sources: Iterable[Source], columns: Iterable[str] | None = None) -> str:
    """SQL of all files of one view; ``columns`` says which (default: those of the first file).

    Raises:
        ContractProblem: a file lacks one of the columns.
    """
    files = list(sources)
    wanted = list(columns) if columns is not None else list(files[0].columns)
    listed = ", ".join(identifier(c) for c in (*wanted, FILE, ROW))
    for source in files:
        for column in wanted:
            if column not in source.columns:
                raise missing_column(source.place, column, source.columns, wanted)
    return " UNION ALL ".join(f"SELECT {listed} FROM {s.relation}" for s in files)


def missing_column(
    file: str, column: str, found: Iterable[str], wanted: Iterable[str] = ()
) -> ContractProblem:
    """The problem of a source column that is not there, with what is there instead.

    Args:
        wanted: the columns that are looked for; one that is there is no other's new name.
    """
    from difflib import get_close_matches

    names = list(found)
    taken = {name.lower() for name in wanted}
    lowered = {name.lower(): name for name in names if name.lower() not in taken}
    close = [lowered[n] for n in get_close_matches(column.lower(), list(lowered), 1, 0.6)]
    if any(re.search(r"@|^\W*\d", name) for name in names):
        return ContractProblem(
            "the column is missing; the first line looks like data and not like column names.",
            file=file,
            column=column,
            remedy="send the column names in the first line, as declared in the feed's mapping.",
        )
    instead = ", ".join(map(shown, names[:20])) + (", ..." if len(names) > 20 else "")
    hint = f" Did you mean {shown(close[0])!r}?" if close else ""
    return ContractProblem(
        f"the column is missing; the file has: {instead or 'no column'}.{hint}",
        file=file,
        column=column,
        remedy="send the column under its declared name, or correct the feed's mapping.",
    )


def _checked_names(names: list[str], file: str) -> tuple[str, ...]:
    """Header names, trimmed; nameless columns are numbered.

    Raises:
        ContractProblem: there are too many, or a name occurs twice (SQL does not tell upper from
            lower case).
    """
    if len(names) > _MAX_COLUMNS:
        raise ContractProblem(
            f"the file has {len(names)} columns, more than {_MAX_COLUMNS}.",
            file=file,
            remedy="send the columns that the feed's mapping names.",
        )
    result, seen = [], set()
    for position, raw in enumerate(names, start=1):
        name = raw.strip() or f"column_{position}"
        if name.lower() in seen:
            raise ContractProblem(
                "the column occurs twice in the header.",
                file=file,
                column=name,
                remedy="name every column once; upper and lower case count as the same.",
            )
        if name.lower() in (FILE, ROW):
            raise ContractProblem(
                "the column name is taken by the reader.",
                file=file,
                column=name,
                remedy="name the column otherwise.",
            )
        seen.add(name.lower())
        result.append(name)
    return tuple(result)


def _csv(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    declaration: FeedSettings,
    number: int,
) -> Source:
    columns = _csv_header(source, declaration)
    typed = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in columns)
    nulls = ", ".join(quoted(text) for text in null_texts(declaration))
    relation = (
        f"(SELECT *, {quoted(source.name)} AS {FILE}, row_number() OVER () AS {ROW} "
        f"FROM read_csv({quoted(str(source.text))}, auto_detect = false, header = true, "
        f"delim = {quoted(declaration.delimiter)}, quote = {quoted(declaration.quote)}, "
        f"escape = {quoted(declaration.quote)}, strict_mode = true, max_line_size = {_MAX_LINE}, "
        f"nullstr = [{nulls}], columns = {{{typed}}}))"
    )
    return _with(source, columns, relation)


def _plain(source: Source) -> Any:
    """The file's text as a binary stream, unpacked where it is packed."""
    if source.text == source.path and source.name.endswith(".gz"):
        return gzip.open(source.text, "rb")
    return source.text.open("rb")


def _csv_header(source: Source, declaration: FeedSettings) -> tuple[str, ...]:
    with _plain(source) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as lines:
        if len(declaration.delimiter) == 1:
            dialect: dict[str, Any] = {"delimiter": declaration.delimiter, "strict": True}
            if declaration.quote:
                dialect["quotechar"] = declaration.quote
            else:
                dialect["quoting"] = csv.QUOTE_NONE
            try:
                names = next(csv.reader(_header_lines(lines, source.name), **dialect), [])
            except csv.Error as error:
                raise ContractProblem(
                    f"the header cannot be read: {error}.",
                    file=source.name,
                    remedy="send a header line of column names, quoted as declared.",
                ) from error
        else:  # Python's reader knows delimiters of one character only
            line = next(_header_lines(lines, source.name), "").rstrip("\r\n")
            names = [n.strip(declaration.quote or None) for n in line.split(declaration.delimiter)]
    if not any(name.strip() for name in names):
        raise ContractProblem(
            "the file has no header: its first line is blank.",
            file=source.name,
            remedy="send the column names in the first line.",
        )
    return _checked_names(names, source.name)


def _header_lines(lines: io.TextIOWrapper, name: str) -> Iterator[str]:
    """The lines a header may span; refuses what is no header but a file without line ends."""
    length = 0
    while line := lines.readline(_MAX_HEADER + 1):
        length += len(line)
        if length > _MAX_HEADER:
            raise ContractProblem(
                f"the header is longer than {_MAX_HEADER} characters.",
                file=name,
                remedy="send a header line of column names, quoted as declared.",
            )
        yield line


def _json_lines(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    declaration: FeedSettings,
    number: int,
) -> Source:
    listed = connection.execute(
        "SELECT DISTINCT unnest(json_keys(json)) AS key FROM "
        f"read_ndjson_objects({quoted(str(source.text))}, maximum_object_size = {_MAX_LINE}) "
        "ORDER BY key"
    ).fetchall()
    if not listed:
        raise ContractProblem(
            "the file holds no record.",
            file=source.name,
            remedy="send one JSON object a line.",
        )
    for (key,) in listed:
        if key != key.strip() or not key:
            raise ContractProblem(
                "a key is empty or has blanks around it.",
                file=source.name,
                column=repr(key),
                remedy="send every key under its plain name.",
            )
    columns = _checked_names([key for (key,) in listed], source.name)
    return _with(source, columns, json_relation(source, declaration, columns))


def json_relation(source: Source, declaration: FeedSettings, columns: Iterable[str]) -> str:
    """SQL of a JSON-lines file with these keys as columns; a key no record has is null."""
    names = list(columns)
    typed = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    cleaned = ", ".join(
        f"{_without_nulls(name, declaration)} AS {identifier(name)}" for name in names
    )
    return (
        f"(SELECT {cleaned}, {quoted(source.name)} AS {FILE}, row_number() OVER () AS {ROW} "
        f"FROM read_json({quoted(str(source.text))}, format = 'newline_delimited', "
        f"records = true, maximum_object_size = {_MAX_LINE}, columns = {{{typed}}}))"
    )


def _parquet(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    declaration: FeedSettings,
    number: int,
) -> Source:
    _refuse_parquet_bomb(connection, source)
    read = f"read_parquet({quoted(str(source.text))}, file_row_number = true)"
    described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {read}")
    types = {row[0]: row[1] for row in described.fetchall()}
    columns = _checked_names(list(types), source.name)
    cleaned = ", ".join(
        f"{_without_nulls(written, declaration)} AS {identifier(name)}"
        if types[written] == "VARCHAR"
        else f"{identifier(written)} AS {identifier(name)}"
        for written, name in zip(types, columns, strict=True)
    )
    relation = (
        f"(SELECT {cleaned}, {quoted(source.name)} AS {FILE}, "
        f"file_row_number + 1 AS {ROW} FROM {read})"
    )
    return _with(source, columns, relation)


def _refuse_parquet_bomb(connection: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Refuse by what the file says of itself: runs of one value pack a thousand million rows into
    a few bytes."""
    rows, unpacked = connection.execute(
        "SELECT coalesce(sum(num_rows), 0), coalesce(sum(total_uncompressed_size), 0) FROM ("
        "SELECT row_group_id, max(row_group_num_rows) AS num_rows, "
        "sum(total_uncompressed_size) AS total_uncompressed_size "
        f"FROM parquet_metadata({quoted(str(source.text))}) GROUP BY ALL)"
    ).fetchall()[0]
    _refuse_bomb(source.size, int(unpacked), source.name)
    if rows > _BOMB_ROWS and rows > _BOMB_ROWS_A_BYTE * source.size:
        raise ContractProblem(
            f"the file of {source.size:,} bytes says that it has {int(rows):,} rows, which no "
            "table with a key does.",
            file=source.name,
            remedy="send the rows themselves; the file is built to fill a disk.",
        )


def _xlsx(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    declaration: FeedSettings,
    number: int,
) -> Source:
    import pyarrow as pa

    rows = sheet_rows(source)
    header = next(rows, (0, []))[1]
    while header and header[-1] is None:
        header.pop()
    if not header:
        raise ContractProblem(
            "the sheet is empty.",
            file=source.place,
            remedy="send the column names in the first row of the sheet.",
        )
    columns = _checked_names([name or "" for name in header], source.place)
    schema = pa.schema([(name, pa.string()) for name in columns] + [(ROW, pa.int64())])
    nulls = set(null_texts(declaration))

    faults: list[ContractProblem] = []

    def sound_rows() -> Iterator[tuple[int, list[str | None]]]:
        length = 0  # one long text may stand in a million cells
        try:
            for index, cells in rows:
                length += sum(len(cell) for cell in cells if cell)
                _refuse_bomb(source.size, length, source.place)
                yield index, cells
        except ContractProblem as problem:  # it would not survive the way through DuckDB
            faults.append(problem)

    def batches() -> Iterator[pa.RecordBatch]:
        gathered: list[list[Any]] = []
        length = 0
        for index, cells in sound_rows():
            length += sum(len(cell) for cell in cells if cell)
            padded = (cells + [None] * len(columns))[: len(columns)]
            values: list[Any] = [None if v in nulls else v for v in padded]
            if any(v is not None for v in values):
                gathered.append([*values, index])
            if len(gathered) >= _XLSX_BATCH or length > _XLSX_BATCH_CHARACTERS:
                yield _batch(gathered, schema)
                gathered, length = [], 0
        if gathered:
            yield _batch(gathered, schema)

    table = f"_landing_sheet_{number}"
    connection.register("_landing_rows", pa.RecordBatchReader.from_batches(schema, batches()))
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT * FROM _landing_rows"
        ).fetchall()
    finally:
        connection.unregister("_landing_rows")
    if faults:
        connection.execute(f"DROP TABLE {table}").fetchall()
        raise faults[0]
    relation = f"(SELECT * EXCLUDE ({ROW}), {quoted(source.place)} AS {FILE}, {ROW} FROM {table})"
    return _with(source, columns, relation, table)


def _batch(rows: list[list[Any]], schema: Any) -> Any:
    import pyarrow as pa

    arrays = [
        pa.array(values, column.type)
        for values, column in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.record_batch(arrays, schema=schema)


def sheet_rows(source: Source) -> Iterator[tuple[int, list[str | None]]]:
    """Rows of the sheet as text, the header first as row 0; a row's number counts from below it.

    Raises:
        ContractProblem: the workbook or the sheet cannot be read, or a cell holds an error.
    """
    import openpyxl

    _refuse_workbook_bomb(source)
    try:
        book = openpyxl.load_workbook(source.text, read_only=True, data_only=True)
    except Exception as error:  # zip, XML and openpyxl's own errors alike: the file is unreadable
        raise ContractProblem(
            f"not readable as an XLSX workbook ({type(error).__name__}).",
            file=source.place,
            remedy="send the workbook again, whole and without a password, saved as .xlsx.",
        ) from error
    try:
        if source.sheet is not None and source.sheet not in book.sheetnames:
            raise ContractProblem(
                f"the workbook has no sheet {source.sheet!r}; it has: "
                f"{', '.join(map(shown, book.sheetnames[:20]))}.",
                file=source.name,
                remedy="name the sheet as declared, or declare the right one.",
            )
        sheet = book[source.sheet] if source.sheet else book.worksheets[0]
        sheet.reset_dimensions()  # the size that a file states of itself is often wrong
        top: int | None = None
        names: list[str | None] = []
        for position, row in enumerate(sheet.iter_rows(), start=1):
            if position > _MAX_SHEET_ROWS:
                raise ContractProblem(
                    f"the sheet says that it has more than {_MAX_SHEET_ROWS} rows, which no sheet "
                    "can have.",
                    file=source.place,
                    remedy="open it in a spreadsheet program, save it and send it again.",
                )
            if top is None:
                cells = [_cell(c, source.place, None, None) for c in row]
                if any(cells):
                    top, names = position, cells
                    yield 0, cells
                continue
            yield (
                position - top,
                [
                    _cell(c, source.place, names[i] if i < len(names) else None, position - top)
                    for i, c in enumerate(row)
                ],
            )
    except ContractProblem:
        raise
    except Exception as error:
        raise ContractProblem(
            f"the sheet cannot be read to its end ({type(error).__name__}).",
            file=source.place,
            remedy="open it in a spreadsheet program, save it and send it again.",
        ) from error
    finally:
        book.close()


def _refuse_workbook_bomb(source: Source) -> None:
    """Refuse a workbook that would grow out of all proportion, or fill the memory: its texts are
    held whole, its sheets are read row by row."""
    try:
        with zipfile.ZipFile(source.text) as parts:
            sizes = {part.filename: part.file_size for part in parts.infolist()}
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return  # opening it will say what is wrong
    _refuse_bomb(source.size, sum(sizes.values()), source.place)
    held = sum(n for name, n in sizes.items() if not name.startswith("xl/worksheets/"))
    if held > _MAX_HELD:
        raise ContractProblem(
            f"the workbook's texts unpack to {held:,} bytes, more than {_MAX_HELD:,}.",
            file=source.place,
            remedy="send the sheet as CSV.",
        )


def _cell(cell: Any, file: str, column: str | None, row: int | None) -> str | None:
    """A cell as text: dates as ISO, whole numbers without a decimal point."""
    value = cell.value
    if value is None or isinstance(value, str):
        if value is not None and cell.data_type == "e":
            raise ContractProblem(
                "the cell holds a spreadsheet error.",
                file=file,
                column=column,
                row=row,
                remedy="correct the formula in the workbook and send it again.",
            )
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.replace(microsecond=0).strftime(XLSX_TIME)
    if isinstance(value, date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, time | timedelta):
        return str(value)
    return str(value)


def null_texts(declaration: FeedSettings) -> list[str]:
    """Texts that mean null: the declared ones, and the empty one always."""
    return list(dict.fromkeys(["", *declaration.null_values]))


def _without_nulls(name: str, declaration: FeedSettings) -> str:
    column = identifier(name)
    texts = null_texts(declaration)
    if len(texts) == 1:
        return f"nullif({column}, '')"
    return f"CASE WHEN {column} NOT IN ({', '.join(map(quoted, texts))}) THEN {column} END"


def _with(
    source: Source, columns: tuple[str, ...], relation: str, table: str | None = None
) -> Source:
    return replace(source, columns=columns, relation=relation, table=table)


def explained(
    error: duckdb.Error, sources: list[Source], declaration: FeedSettings
) -> ContractProblem | None:
    """An error that DuckDB met in a delivered file, with file and row; None if it is another's.

    DuckDB's own text quotes the line it failed on; a manifest must not, so it is not repeated.
    """
    text = str(error)
    if isinstance(error, duckdb.OutOfMemoryException | duckdb.BinderException):
        return None
    source = next((s for s in sources if str(s.text) in text), None)
    if declaration.format == "csv":
        if source is None or "CSV" not in text:
            return None
        line = re.search(r"CSV Error on Line: (\d+)", text)
        number = int(line[1]) if line else None
        return ContractProblem(
            f"{_csv_fault(text)}{f' in line {number}' if number else ''}.",
            file=source.name,
            row=max(1, number - 1) if number else None,
            remedy="quote fields that hold the delimiter, a quote or a line end, and use one kind "
            "of line end throughout.",
        )
    if declaration.format == "jsonl":
        if source is None or "JSON" not in text:
            return None
        row, fault = _bad_json_line(source) or (None, "a readable record")
        return ContractProblem(
            f"the line is not {fault}.",
            file=source.name,
            row=row,
            remedy="send one JSON object a line.",
        )
    # a damaged footer is an error of no class of its own, and does not name the file
    if declaration.format == "parquet" and (
        source or "arquet" in text or type(error) is duckdb.Error
    ):
        return ContractProblem(
            "not readable as Parquet: the file is cut short or damaged.",
            file=(source or sources[0]).name,
            remedy="send the file again, whole.",
        )
    return None


def _csv_fault(text: str) -> str:
    if counts := re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text):
        return f"{counts[2]} fields where the header has {counts[1]}"
    if "unterminated quote" in text:
        return "a quoted field that does not end as it should"
    if "Maximum line size" in text:
        return f"a row longer than {_MAX_LINE} bytes"
    return "not well-formed CSV"


def _bad_json_line(source: Source) -> tuple[int, str] | None:
    """The first record that is no JSON object: its number among the records, and what it lacks."""
    with _plain(source) as raw:
        row = 0
        for line in raw:
            if not line.strip():
                continue
            row += 1
            try:
                pairs = json.loads(line, object_pairs_hook=list)
            except (ValueError, RecursionError):  # brackets by the thousand
                return row, "well-formed JSON"
            if not line.lstrip().startswith(b"{"):
                return row, "a JSON object"
            if len({pair[0] for pair in pairs}) != len(pairs):
                return row, "an object with each key once"
    return None
