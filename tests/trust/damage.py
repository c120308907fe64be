"""Deliveries of every feed in every format, and seeded ways to damage them."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.rules import CODES, ENTRY_KINDS
from orchestration.settings import FeedName

DAY = date(2026, 10, 31)
FORMATS = ("csv", "csv.gz", "xlsx", "parquet", "jsonl", "jsonl.gz")
FEEDS: tuple[FeedName, ...] = tuple(CONTRACT)

Row = list[str]


@dataclass(frozen=True)
class Table:
    """A delivery before it is a file: header and cells, all text."""

    feed: FeedName
    header: list[str]
    rows: list[Row]
    newline: str = "\n"
    delimiter: str = ","
    extra: list[str] = field(default_factory=list)  # lines put into a text file as they are

    def at(self, column: str) -> int:
        return self.header.index(column)


def sound_table(feed: FeedName, rng: random.Random) -> Table:
    """A delivery that keeps its contract, but for what chance does to the rules of its rows."""
    count = rng.randint(2, 25)
    columns = CONTRACT[feed].columns
    rows = [
        [_value(feed, c.name, c.sql_type, c.required, n, rng) for c in columns]
        for n in range(count)
    ]
    return Table(feed, [c.name for c in columns], rows)


def _value(
    feed: FeedName, column: str, sql_type: str, required: bool, number: int, rng: random.Random
) -> str:
    if not required and rng.random() < 0.3 and column != "parent_org_unit_id":
        return ""
    if column == "parent_org_unit_id":
        return "" if number == 0 else f"org_unit_id-{rng.randrange(number)}"
    if column in CONTRACT[feed].key and sql_type == "VARCHAR":
        return f"{column}-{number}"
    codes: tuple[str, ...] = CODES.get(feed, {}).get(column, ())
    if column == "kind" and feed == "decisions":
        codes = ENTRY_KINDS
    if column == "subject":
        codes = ("comment", "decision", "leader_action", "outcome")
    if codes:
        return rng.choice(codes)
    day = DAY - timedelta(days=rng.randrange(400))
    if sql_type == "DATE":
        return day.isoformat()
    if sql_type == "TIMESTAMPTZ":
        return f"{day}T{rng.randrange(24):02d}:{rng.randrange(60):02d}:00Z"
    if sql_type == "BOOLEAN":
        return rng.choice(["true", "false"])
    if sql_type in ("INTEGER", "BIGINT"):
        return str(rng.randrange(5000))
    if sql_type.startswith("DECIMAL"):
        return f"{rng.randrange(10000) / 100:.2f}"
    return rng.choice(["Zoë", "Müller, Ana", 'say "hi"', "plain", "数", "x"]) + f" {number}"


# Damage to what stands in the cells and in the header

HOSTILE = (
    "=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "<script>alert(1)</script>", "{{7*7}}", "{% raise %}",
    "'; DROP TABLE people; --", "../../etc/passwd", "a\nb", "a\r\nb", "\u202eevil", "x\ty", "\x07",
    "\x1b[31m", "\ufeffx", "\u2028", "x" * 5000, "ß" * 4001, " ", "NULL", "nan", "None", "\\N", '"',
    "'", ",", ";", "\x0b", "\x7f", "\u0000x", "\ud7ff", "😀" * 10,
)  # fmt: skip
WRONG = (
    "abc", "31/10/2026", "2026-13-01", "2026-02-30", "0000-00-00", "99999999999999999999", "1e400",
    "NaN", "inf", "-1", "1,5", "1_000", "0x10", "\u0661\u0662", "1e3", "3.7", "true", "2", "t",
    "2026-10-31",
    "2026-10-31 24:00:00", "2026-10-31T10:00:00+25:00", "2026-10-31T10:00:00.123456789Z", "epoch",
    "12345678901234567890.1", "2026-W44", "infinity", "9999-12-31", "10000-01-01", " 5 ", "+7",
    "5.", ".5", "-0", "1e-9", "2026-10-31T10:00:00Z extra", "20261031", "2026-10-31T10",
    "\u0662\u0660\u0662\u0666-10-31",
)  # fmt: skip


def _some(table: Table, rng: random.Random) -> int:
    return rng.randrange(len(table.rows))


def _set(table: Table, rng: random.Random, texts: tuple[str, ...]) -> Table:
    rows = [list(row) for row in table.rows]
    for _ in range(rng.randint(1, 3)):
        rows[_some(table, rng)][rng.randrange(len(table.header))] = rng.choice(texts)
    return replace(table, rows=rows)


def hostile_text(table: Table, rng: random.Random) -> Table:
    return _set(table, rng, HOSTILE)


def wrong_type(table: Table, rng: random.Random) -> Table:
    return _set(table, rng, WRONG)


def giant_field(table: Table, rng: random.Random) -> Table:
    size = rng.choice([4000, 4001, 70_000, 2_200_000])
    return _set(table, rng, ("y" * size, "Ω" * size))


def duplicated_rows(table: Table, rng: random.Random) -> Table:
    rows = list(table.rows)
    for _ in range(rng.randint(1, 4)):
        copy = list(rng.choice(rows))
        if rng.random() < 0.5:
            copy[-1] = ""
        rows.insert(rng.randint(0, len(rows)), copy)
    return replace(table, rows=rows)


def missing_key(table: Table, rng: random.Random) -> Table:
    required = [c.name for c in CONTRACT[table.feed].columns if c.required]
    required = [name for name in required if name in table.header]
    if not required:
        return table
    rows = [list(row) for row in table.rows]
    rows[_some(table, rng)][table.at(rng.choice(required))] = rng.choice(["", "", " "])
    return replace(table, rows=rows)


def swapped_cells(table: Table, rng: random.Random) -> Table:
    one, two = rng.sample(range(len(table.header)), 2)
    rows = [list(row) for row in table.rows]
    for row in rows:
        row[one], row[two] = row[two], row[one]
    return replace(table, rows=rows)


def swapped_columns(table: Table, rng: random.Random) -> Table:
    """Header and cells alike: another order of the same delivery, which must change nothing."""
    order = list(range(len(table.header)))
    rng.shuffle(order)
    return replace(
        table,
        header=[table.header[n] for n in order],
        rows=[[row[n] for n in order] for row in table.rows],
    )


def renamed_column(table: Table, rng: random.Random) -> Table:
    header = list(table.header)
    at = rng.randrange(len(header))
    header[at] = rng.choice(
        [header[at] + "_x", header[at].title(), "", " " + header[at], header[at - 1], "_row",
         "delivery_id", "_file", 'a"b', header[at].replace("_", " "), "=1+1", "x;y", "_id"]
    )  # fmt: skip
    return replace(table, header=header)


def dropped_column(table: Table, rng: random.Random) -> Table:
    at = rng.randrange(len(table.header))
    return replace(
        table,
        header=table.header[:at] + table.header[at + 1 :],
        rows=[row[:at] + row[at + 1 :] for row in table.rows],
    )


def added_column(table: Table, rng: random.Random) -> Table:
    name = rng.choice(["spare", "notes", "_rule", "_bad", "_id", "_day", "delivery_date", "select"])
    return replace(
        table,
        header=[*table.header, name],
        rows=[[*row, rng.choice(HOSTILE[:8])] for row in table.rows],
    )


def no_header(table: Table, rng: random.Random) -> Table:
    return replace(table, header=table.rows[0], rows=table.rows[1:] or [table.rows[0]])


def no_rows(table: Table, rng: random.Random) -> Table:
    return replace(table, rows=[])


def ragged_row(table: Table, rng: random.Random) -> Table:
    rows = [list(row) for row in table.rows]
    at = _some(table, rng)
    rows[at] = rows[at][:-1] if rng.random() < 0.5 else [*rows[at], "more"]
    return replace(table, rows=rows)


def shuffled_rows(table: Table, rng: random.Random) -> Table:
    rows = list(table.rows)
    rng.shuffle(rows)
    return replace(table, rows=rows)


def line_ends(table: Table, rng: random.Random) -> Table:
    return replace(table, newline=rng.choice(["\r\n", "\r", "\n\n", "\n\r", "\r\r\n"]))


def other_delimiter(table: Table, rng: random.Random) -> Table:
    return replace(table, delimiter=rng.choice([";", "\t", "|"]))


STRAY = ("", "   ", "# end", '"', "null", "[1]", "{}", "1", '{"a":1', "total,3")


def stray_lines(table: Table, rng: random.Random) -> Table:
    return replace(
        table,
        extra=[
            rng.choice(["", "   ", "# end", '"', "null", "[1]", "{}", "1", '{"a":1', "total,3"])
        ],
    )


def nothing(table: Table, rng: random.Random) -> Table:
    """No damage: what is sound must not be refused."""
    return table


CELLS: tuple[Callable[[Table, random.Random], Table], ...] = (
    hostile_text, wrong_type, giant_field, duplicated_rows, missing_key, swapped_cells,
    swapped_columns, renamed_column, dropped_column, added_column, no_header, no_rows, ragged_row,
    shuffled_rows, line_ends, other_delimiter, stray_lines, nothing,
)  # fmt: skip


# Tables as files


def written(table: Table, form: str, rng: random.Random) -> bytes:
    """The table as a file of a format."""
    if form.startswith("csv"):
        content = _csv(table)
    elif form.startswith("jsonl"):
        content = _json_lines(table, rng)
    elif form == "xlsx":
        return _workbook(table)
    else:
        return _parquet(table, rng)
    return gzip.compress(content, mtime=0) if form.endswith(".gz") else content


def _csv(table: Table) -> bytes:
    def field_of(text: str) -> str:
        if any(c in text for c in (table.delimiter, '"', "\n", "\r")) or text != text.strip():
            return '"' + text.replace('"', '""') + '"'
        return text

    lines = [table.delimiter.join(map(field_of, row)) for row in (table.header, *table.rows)]
    return (table.newline.join([*lines, *table.extra]) + table.newline).encode("utf-8")


def _json_lines(table: Table, rng: random.Random) -> bytes:
    """Empty cells are left out, or null, or empty text, as systems do it; numbers may be bare."""
    lines = []
    empty = rng.choice(["absent", "null", "text"])
    for row in table.rows:
        pairs: list[str] = []
        for n, text in enumerate(row):
            name = table.header[n] if n < len(table.header) else f"more_{n}"
            if text == "" and empty == "absent":
                continue
            value = "null" if text == "" and empty == "null" else json.dumps(text)
            if text.isascii() and text.isdigit() and not text.startswith("0") and len(text) < 15:
                value = text
            pairs.append(f"{json.dumps(name)}: {value}")
        lines.append("{" + ", ".join(pairs) + "}")
    return (table.newline.join([*lines, *table.extra]) + table.newline).encode("utf-8")


def _workbook(table: Table) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for y, row in enumerate((table.header, *table.rows), start=1):
        for x, text in enumerate(row, start=1):
            if text == "":
                continue
            cell = sheet.cell(y, x)
            cell.value = ILLEGAL_CHARACTERS_RE.sub("", text)[:32000]
            cell.data_type = "s"  # never a formula
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _parquet(table: Table, rng: random.Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = len(table.header)
    columns = list(zip(*[(row + [""] * width)[:width] for row in table.rows], strict=True))
    arrays = [
        pa.array([text or None for text in cells], pa.string())
        for cells in columns or [() for _ in table.header]
    ]
    buffer = io.BytesIO()
    schema = pa.schema([(name, pa.string()) for name in table.header])
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), buffer, store_schema=False)
    return buffer.getvalue()


# Damage to the bytes of the file


def cut(content: bytes, form: str, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def flipped(content: bytes, form: str, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def hole(content: bytes, form: str, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randint(1, 40) :]


def zeros(content: bytes, form: str, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + b"\0" * rng.randint(1, 64) + content[at:]


def doubled(content: bytes, form: str, rng: random.Random) -> bytes:
    return content + content


def empty(content: bytes, form: str, rng: random.Random) -> bytes:
    return b""


def junk(content: bytes, form: str, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 3000))


def trailing(content: bytes, form: str, rng: random.Random) -> bytes:
    return content + rng.choice([b"\0" * 10, b"\x1a", rng.randbytes(20), b"\n\n", b"PK\x05\x06"])


def recoded(content: bytes, form: str, rng: random.Random) -> bytes:
    """Text in another encoding than declared; other formats are cut."""
    if form not in ("csv", "jsonl"):
        return cut(content, form, rng)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    name = rng.choice(
        ["utf-16", "utf-16-le", "utf-16-be", "latin-1", "utf-8-sig", "utf-32", "cp500"]
    )
    return text.encode(name, "replace")


def under_another_name(content: bytes, form: str, rng: random.Random) -> bytes:
    """A sound file of another kind under this name."""
    table = sound_table(rng.choice(FEEDS), rng)
    return written(table, rng.choice([f for f in FORMATS if f != form]), rng)


def bomb(content: bytes, form: str, rng: random.Random) -> bytes:
    """A few kilobytes that grow a thousandfold."""
    if form.endswith(".gz"):
        return gzip.compress(rng.choice([b"\n", b"a", b'"', b"{", b","]) * 30_000_000, 9)
    if form == "xlsx":
        return repacked(content, grow=rng.choice([90_000_000, 2_000_000]), entities=False)
    return rng.choice([b"[", b'{"a":', b'"', b","]) * 300_000


def entities(content: bytes, form: str, rng: random.Random) -> bytes:
    """A workbook whose XML declares entities of entities, or one of a file."""
    return repacked(content, grow=0, entities=True) if form == "xlsx" else bomb(content, form, rng)


def traversal(content: bytes, form: str, rng: random.Random) -> bytes:
    """A workbook with entries that lead out of any folder it would be unpacked in."""
    if form != "xlsx":
        return flipped(content, form, rng)
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as book:
        for name in ("../../escaped.txt", "/tmp/escaped.txt", "xl/../../escaped.txt"):
            book.writestr(name, b"outside")
    return buffer.getvalue()


BOMB_XML = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    + ']>'
)  # fmt: skip


def repacked(content: bytes, *, grow: int, entities: bool) -> bytes:
    """The workbook with its sheet grown by blanks, or with a document type of entities."""
    source, target = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as book:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                if entities:
                    body = data.decode("utf-8").split("?>", 1)[-1]
                    body = body.replace("</v>", "&j;</v>", 1).replace("</t>", "&j;</t>", 1)
                    data = (BOMB_XML + body).encode("utf-8")
                if grow:
                    row = b'<row r="5000"><c t="inlineStr"><is><t>' + b"A" * grow
                    data = data.replace(b"</sheetData>", row + b"</t></is></c></row></sheetData>")
            book.writestr(entry.filename, data)
    return target.getvalue()


FILES: tuple[Callable[[bytes, str, random.Random], bytes], ...] = (
    cut, flipped, flipped, hole, zeros, doubled, empty, junk, trailing, recoded,
    under_another_name, bomb, entities, traversal,
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One damaged delivery.

    Attributes:
        damages: names of what was done to it, in order; ``nothing`` alone is a sound one.
    """

    seed: int
    feed: FeedName
    form: str
    damages: tuple[str, ...]
    content: bytes

    @property
    def name(self) -> str:
        return f"{self.feed}_{DAY}.{self.form}"

    def __str__(self) -> str:
        return f"case {self.seed}: {self.feed} as {self.form}, {' + '.join(self.damages)}"


def case(seed: int) -> Case:
    """The damaged delivery of a seed: all feeds and formats in turn, one to three damages."""
    rng = random.Random(seed)
    feed = FEEDS[seed % len(FEEDS)]
    form = FORMATS[seed // len(FEEDS) % len(FORMATS)]
    table, done = sound_table(feed, rng), []
    if rng.random() < 0.6:
        for _ in range(rng.choice([1, 1, 2])):
            change = rng.choice(CELLS)
            if not table.rows and change is not nothing:
                break
            table = change(table, rng)
            done.append(change.__name__)
    content = written(table, form, rng)
    if not done or rng.random() < 0.2:
        harm = rng.choice(FILES)
        content = harm(content, form, rng)
        done.append(harm.__name__)
    return Case(seed, feed, form, tuple(done), content)
