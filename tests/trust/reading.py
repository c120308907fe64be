"""An independent reading of a delivered file: Python's own readers and conversions, no SQL."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from orchestration.feeds.contract import CONTRACT
from orchestration.settings import FeedName

Read = list[dict[str, Any] | None]


def rows_of(content: bytes, form: str) -> dict[int, dict[str, Any]]:
    """The file's rows by number, each by column name in lower case.

    Blank lines are not counted; blank rows of a sheet are, and are left out.
    """
    return {n: row for n, row in enumerate(_read(content, form), start=1) if row is not None}


def _read(content: bytes, form: str) -> Read:
    if form.endswith(".gz"):
        content = gzip.decompress(content)
    if form.startswith("csv"):
        return _csv_rows(content.decode("utf-8-sig"))
    if form.startswith("jsonl"):
        lines = re.split(r"\r?\n", content.decode("utf-8-sig"))
        return [_record(json.loads(line)) for line in lines if line.strip()]
    if form == "xlsx":
        return _sheet_rows(content)
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    return [{k.strip().lower(): v for k, v in row.items()} for row in table.to_pylist()]


def _csv_rows(text: str) -> Read:
    csv.field_size_limit(1 << 30)
    lines = [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    header = [name.strip().lower() for name in lines[0]]
    assert all(len(line) == len(header) for line in lines), "ragged"
    return [dict(zip(header, line, strict=True)) for line in lines[1:]]


def _record(value: dict[str, Any] | None) -> dict[str, Any]:
    def text(item: Any) -> str | None:
        if item is None or isinstance(item, str):
            return item
        return json.dumps(item, ensure_ascii=False)

    return {key.strip().lower(): text(item) for key, item in (value or {}).items()}


def _sheet_rows(content: bytes) -> Read:
    import openpyxl

    sheet = openpyxl.load_workbook(io.BytesIO(content), data_only=True).worksheets[0]
    table = [
        ["" if cell.value is None else str(cell.value) for cell in row] for row in sheet.iter_rows()
    ]
    while not any(table[0]):
        del table[0]
    header = [name.strip().lower() for name in table[0]]
    return [dict(zip(header, row, strict=True)) if any(row) else None for row in table[1:]]


def converted(feed: FeedName, row: dict[str, Any]) -> tuple[Any, ...]:
    """The row in the contract's columns and types, in their order.

    Raises:
        ValueError: a cell does not say what its column needs.
    """
    return tuple(_typed(row.get(c.name), c.sql_type) for c in CONTRACT[feed].columns)


def _typed(cell: Any, sql_type: str) -> Any:
    if cell is None or cell == "":
        return None
    text = str(cell)
    if sql_type == "VARCHAR":
        return text
    text = text.strip(" ")
    if text == "":
        return None
    if sql_type == "BOOLEAN":
        known = {"true": True, "t": True, "1": True, "yes": True, "y": True,
                 "false": False, "f": False, "0": False, "no": False, "n": False}  # fmt: skip
        if text.lower() not in known:
            raise ValueError(f"no truth value: {text!r}")
        return known[text.lower()]
    if sql_type == "DATE":
        if not re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}", text, re.ASCII):
            raise ValueError(f"no date: {text!r}")
        return date(*map(int, text.split("-")))
    if sql_type == "TIMESTAMPTZ":
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        raise ValueError(f"no number: {text!r}")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(text) from error
    if sql_type in ("INTEGER", "BIGINT"):
        if number != number.to_integral_value():
            raise ValueError(f"no whole number: {text!r}")
        return int(number)
    places = int(sql_type.rstrip(")").split(",")[1])
    return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
