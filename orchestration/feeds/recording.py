"""Recording: what a person says, or a review asks for, becomes a delivery of the feed ``records``.

Each recording writes a whole delivery file of its day, ``records/records_<date>_<number>.jsonl``
under the landing folder: the rows of the newest delivery of that day, then the new ones. It gets
the next number; a file that has not landed yet is replaced, so that a day has no more deliveries
than ingest has runs, however many people record. The file appears at once and whole, under a lock:
two processes lose nothing, and ingest never reads half of it (a file replaced while it lands is
left to the next run). Nothing is ever taken away: a correction is another row of its entry.

Saying the same again adds nothing. A row that opens an entry which is open already, or that changes
nothing of it, is known and left out; ids follow from content, so that a retry after a crash finds
what the first try wrote. Nothing here logs what a row says.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestration.feeds.arrivals import find_deliveries
from orchestration.feeds.contract import CONTRACT, Column
from orchestration.feeds.deliveries import in_force, raw_partition
from orchestration.feeds.rules import row_rules
from orchestration.lake import Lake, identifier, quoted
from orchestration.problems import Problem
from orchestration.settings import RECORDS, Settings

FEED = CONTRACT["records"]
_HIGHEST_NUMBER = 999
_ABOUT_THE_RECORD = ("record_id", "recorded_at", "recorded_by", "source")
_STATED = tuple(name for name in FEED.column_names if name not in _ABOUT_THE_RECORD)

Row = Mapping[str, object]
Texts = dict[str, str]


@dataclass(frozen=True)
class Recorded:
    """What a recording did.

    Attributes:
        added: entry ids of the rows written, in order.
        known: entry ids of the rows that said nothing new.
        file: the delivery file written, None where nothing was new.
    """

    added: tuple[str, ...]
    known: tuple[str, ...]
    file: Path | None


def made_id(prefix: str, *parts: object) -> str:
    """An id that follows from what it is of: the same parts always give the same one.

    The sample mappings of the template workbook make it in SQL, so the rule is plain: MD5 of the
    parts joined by ``|``, nothing for None.
    """
    text = "|".join("" if part is None else str(part) for part in parts)
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return f"{prefix}-{digest[:16]}"


def record(settings: Settings, rows: Sequence[Row], *, now: datetime | None = None) -> Recorded:
    """Record rows of the feed ``records``, all or none; safe for several processes at once.

    Args:
        rows: contract columns and their values (text, dates, numbers; None for nothing), without
            ``record_id`` and ``recorded_at``. ``source``, ``subject`` and ``entry_id`` are needed,
            and what the subject needs (``rules.py``). A decision's row with ``kind`` opens the
            entry, one without changes what it states.
        now: aware time of recording.

    Raises:
        Problem: a row breaks the feed's rules (named by its place in ``rows``), the feed is
            declared in another way than the system writes it, or the lock could not be had.
    """
    if settings.feeds["records"].files != RECORDS.files:
        raise Problem(
            "the settings declare [feeds.records], which the system writes itself.",
            remedy="remove that table; the feed is always connected.",
        )
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    given = [_canonical(row, number) for number, row in enumerate(rows, start=1)]
    _refuse_broken(settings, given, moment)
    with _lock(settings):
        held = Held.read(settings)
        added, known = [], []
        for position, row in enumerate(given):
            fresh = held.news(row, moment + timedelta(microseconds=position))
            if fresh is None:
                known.append(row["entry_id"])
            else:
                held.take(fresh)
                added.append(fresh)
        file = _write(settings, held, added, moment) if added else None
    return Recorded(tuple(row["entry_id"] for row in added), tuple(known), file)


@dataclass
class Held:
    """Everything recorded so far, and the decision log as feed and records together tell it.

    Attributes:
        rows: record id -> row, in the order of recording.
        log: entry id -> what is known of it, column by column.
        by_day: delivery date -> the record ids that its newest delivery holds.
        landed: delivery date -> the highest number that a delivery of that date has in the lake.
        waiting: delivery date -> the highest number that a file of that date has.
    """

    rows: dict[str, Texts] = field(default_factory=dict)
    log: dict[str, Texts] = field(default_factory=dict)
    by_day: dict[date, list[str]] = field(default_factory=dict)
    landed: dict[date, int] = field(default_factory=dict)
    waiting: dict[date, int] = field(default_factory=dict)
    _last: dict[tuple[str, str], Texts] = field(default_factory=dict)

    @classmethod
    def read(cls, settings: Settings) -> Held:
        """Read what lies in the landing folder and in the lake: a file may be gone from either."""
        held = cls()
        lake = Lake(settings.lake_url, settings.duckdb)
        held.log.update(_log_of_feed(lake))
        found: list[tuple[date, Texts]] = [*_landed(lake, held), *_delivered(settings, held)]
        for day, row in sorted(found, key=lambda item: item[1]["recorded_at"]):
            of_day = held.by_day.setdefault(day, [])
            if row["record_id"] not in of_day:
                of_day.append(row["record_id"])
            if row["record_id"] not in held.rows:
                held.take(row)
        return held

    def take(self, row: Texts) -> None:
        """Remember a row as the newest."""
        self.rows[row["record_id"]] = row
        self._last[row["subject"], row["entry_id"]] = row
        if row["subject"] == "decision":
            stated = {name: row[name] for name in _STATED if name in row}
            self.log[row["entry_id"]] = {**self.log.get(row["entry_id"], {}), **stated}

    def last(self, entry_id: str, *subjects: str) -> Texts | None:
        """The last record of an entry that is about one of these subjects."""
        found = (self._last.get((subject, entry_id)) for subject in subjects)
        return next((row for row in found if row is not None), None)

    def news(self, row: Texts, moment: datetime) -> Texts | None:
        """The row as it is to be written, None where it says nothing new of its entry."""
        subject, entry = row["subject"], row["entry_id"]
        last = self._last.get((subject, entry))
        stated = {name: row[name] for name in _STATED if name in row}
        if subject == "decision":
            known = self.log.get(entry, {})
            if "kind" in row and "kind" in known:
                return None  # it is open already; later changes of it must not be undone
            if all(known.get(name) == text for name, text in stated.items()):
                return None
        elif last is not None and stated == {n: last[n] for n in _STATED if n in last}:
            return None
        if last is not None:  # the order of recording is the order that counts
            moment = max(
                moment, datetime.fromisoformat(last["recorded_at"]) + timedelta(microseconds=1)
            )
        before = last["record_id"] if last is not None else ""
        content = json.dumps([before, stated], sort_keys=True).encode()
        return {
            "record_id": hashlib.sha256(content).hexdigest()[:24],
            "recorded_at": moment.isoformat(),
            **row,
        }


@contextmanager
def _lock(settings: Settings) -> Iterator[None]:
    lock = FileLock(settings.home / "locks" / "recording.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=settings.duckdb.lock_timeout_seconds)
    except Timeout as error:
        raise Problem(
            "another process is recording.",
            file=lock.lock_file,
            remedy="wait for it to finish, then try again.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _canonical(row: Row, number: int) -> Texts:
    """The row's values as the one text that each has, without what is empty.

    Raises:
        Problem: a column is unknown or lacking, or a value does not have the column's type.
    """
    unknown = set(row) - set(FEED.column_names) | set(row) & {"record_id", "recorded_at"}
    if unknown:
        raise Problem(f"records have no column {sorted(unknown)[0]!r} to give.", row=number)
    texts: Texts = {}
    for column in FEED.columns:
        text = _text(column, row.get(column.name), number)
        if text:
            texts[column.name] = text
        elif column.required and column.name not in ("record_id", "recorded_at"):
            raise Problem("it is missing.", column=column.name, row=number)
    return texts


def _text(column: Column, value: object, number: int) -> str:
    if value is None:
        return ""
    text = str(value).strip()
    if re.search(r"[\x00-\x08\x0b-\x1f\ud800-\udfff]", text):
        raise Problem(
            "the text has characters that cannot be written.",
            column=column.name,
            row=number,
            remedy="type it again instead of pasting it.",
        )
    if not text or column.sql_type in ("VARCHAR", "TIMESTAMPTZ"):
        return text
    if column.sql_type == "DATE":
        try:
            day = date.fromisoformat(text[:10])
        except ValueError:
            day = None
        if day is None or not re.fullmatch(r"\d{4}-\d\d-\d\d( 00:00:00)?", text):
            raise Problem(
                "the value is not a date.",
                column=column.name,
                row=number,
                remedy="write it as 2026-01-31.",
            )
        return day.isoformat()
    places = int(column.sql_type.rstrip(")").split(",")[1])
    amount = decimal_of(text, places)
    if amount is None:
        raise Problem(
            f"the value is not a number of at most {places} decimal places.",
            column=column.name,
            row=number,
            remedy="write it as 2500 or 2500.50.",
        )
    return str(amount)


def decimal_of(text: str, places: int) -> Decimal | None:
    """The number with that many places; None where the text is no number or has more places."""
    try:
        amount = Decimal(text)
        rounded = amount.quantize(Decimal(1).scaleb(-places))
    except InvalidOperation:
        return None
    return rounded if amount == rounded else None


def _refuse_broken(settings: Settings, rows: Sequence[Texts], moment: datetime) -> None:
    """Refuse what landing would quarantine: the same rules, from the same place."""
    day = moment.astimezone(settings.organisation.zone).date()
    rules = [
        rule
        for rule in row_rules(FEED, settings.feeds["records"], settings, day, judge_people=False)
        if rule.condition is not None
    ]
    tried = " ".join(f"WHEN {rule.condition} THEN {n}" for n, rule in enumerate(rules))
    given = ", ".join(f"{identifier(c.name)} {c.sql_type}" for c in FEED.columns)
    lake = Lake(settings.lake_url, settings.duckdb)
    with lake.connect() as connection:
        connection.execute(f"CREATE TEMP TABLE given (_number INTEGER, {given})")
        for number, row in enumerate(rows, start=1):
            made = {**row, "record_id": "new", "recorded_at": moment.isoformat()}
            names = ", ".join(identifier(name) for name in made)
            connection.execute(
                f"INSERT INTO given (_number, {names}) VALUES (?, {', '.join('?' * len(made))})",
                [number, *made.values()],
            )
        broken = connection.execute(
            f"SELECT _number, broken FROM (SELECT _number, CASE {tried} END AS broken FROM given) "
            "WHERE broken IS NOT NULL ORDER BY _number LIMIT 1"
        ).fetchone()
    if broken is not None:
        raise Problem(f"it cannot be recorded: {rules[broken[1]].reason}.", row=broken[0])


def _landed(lake: Lake, held: Held) -> Iterator[tuple[date, Texts]]:
    """Rows of the deliveries in force in the lake."""
    for file in lake.files("deliveries", "records", suffix=".json"):
        name = file.rsplit("/", 1)[1]
        day = date.fromisoformat(name[:10])
        held.landed[day] = max(held.landed.get(day, 0), int(name[11:14]))
    standing = [row for row in in_force(lake, "records") if row["rows_accepted"]]
    if not standing:
        return
    files = ", ".join(
        quoted(
            lake.path(
                "raw",
                "records",
                raw_partition(FEED, row["delivery_date"].isoformat()),
                f"{row['delivery_id']}.parquet",
            )
        )
        for row in standing
    )
    texts = ", ".join(
        f"strftime({c.name}, '%Y-%m-%dT%H:%M:%S.%f+00:00')"
        if c.sql_type == "TIMESTAMPTZ"
        else f"CAST({identifier(c.name)} AS VARCHAR)"
        for c in FEED.columns
    )
    with lake.connect() as connection:
        rows = connection.execute(
            f"SELECT left(delivery_id, 10), {texts} "
            f"FROM read_parquet([{files}], hive_partitioning = false)"
        ).fetchall()
    for day, *values in rows:
        row = {n: v for n, v in zip(FEED.column_names, values, strict=True) if v is not None}
        yield date.fromisoformat(day), row


def _delivered(settings: Settings, held: Held) -> Iterator[tuple[date, Texts]]:
    """Rows of the newest file of each day in the landing folder."""
    newest: dict[date, Path] = {}
    for delivery in find_deliveries(settings, "records", date.min, date.max):
        number = delivery.sequence or 0
        day = delivery.delivery_date
        held.waiting[day] = max(held.waiting.get(day, 0), number)
        for path in delivery.files.get("records", ()):
            newest[day] = path  # in the order in which they supersede
    for day, path in newest.items():
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                yield day, {name: str(value) for name, value in row.items() if value is not None}
            except (ValueError, AttributeError) as error:
                raise Problem(
                    "the line is not a JSON object.",
                    file=str(path),
                    row=number,
                    remedy="restore the file; it is written by the system and edited by nobody.",
                ) from error


def _log_of_feed(lake: Lake) -> dict[str, Texts]:
    """The last version of each entry that the feed ``decisions`` delivered."""
    if not lake.exists("versions", "decisions.parquet"):
        return {}
    names = [c.name for c in CONTRACT["decisions"].columns if c.name != "source"]
    texts = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in names)
    with lake.connect() as connection:
        rows = connection.execute(
            f"SELECT {texts} FROM read_parquet("
            f"{quoted(lake.path('versions', 'decisions.parquet'))}) "
            "QUALIFY row_number() OVER (PARTITION BY entry_id ORDER BY valid_from DESC) = 1"
        ).fetchall()
    entries = [dict(zip(names, row, strict=True)) for row in rows]
    return {
        str(entry["entry_id"]): {
            "subject": "decision",
            **{name: str(value) for name, value in entry.items() if value is not None},
        }
        for entry in entries
    }


def _write(settings: Settings, held: Held, added: Iterable[Texts], moment: datetime) -> Path:
    """Write the day's rows and the new ones as the day's next delivery; returns the file.

    At most 999 deliveries of a day can land; what is recorded then comes with the next day.
    """
    day = moment.astimezone(settings.organisation.zone).date()
    while held.landed.get(day, 0) >= _HIGHEST_NUMBER:
        day += timedelta(days=1)
    number = max(held.waiting.get(day, 0), held.landed.get(day, 0) + 1)
    rows = [*(held.rows[name] for name in held.by_day.get(day, [])), *added]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    pattern = RECORDS.files["records"]
    target = settings.landing_folder / pattern.format(date=day, sequence=f"{number:03d}")
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    _put(aside, lines.encode())
    os.replace(aside, target)
    _sync_folder(target.parent)
    return target


def _put(file: Path, content: bytes) -> None:
    with file.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    """Have the rename on disk as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def decision_log(settings: Settings) -> dict[str, Mapping[str, Any]]:
    """Every entry of the decision log by id, as the feed and the records tell it now."""
    return dict(Held.read(settings).log)
