"""What is known of each delivery (its manifest), and which deliveries are in force.

Manifests are JSON files ``deliveries/<feed>/<delivery_id>.json``; the index of deliveries in force
is ``in_force/<feed>.parquet``. See ``orchestration.lake`` for the commit rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, Field

from orchestration.feeds.contract import CONTRACT, Feed
from orchestration.lake import PLACEHOLDER_DAY, Lake
from orchestration.settings import FeedName

IN_FORCE_SCHEMA = pa.schema(
    [
        ("delivery_id", pa.string()),
        ("delivery_date", pa.date32()),
        ("sequence", pa.int32()),
        ("rows_accepted", pa.int64()),
        ("rows_rejected", pa.int64()),
        ("newest_on", pa.date32()),
        ("content_hash", pa.string()),
        ("arrival", pa.int64()),
    ]
)


class DeliveredFile(BaseModel):
    """One file of a delivery: its view and path under the landing folder, hash, size, data rows."""

    view: str = ""
    path: str
    sha256: str
    bytes: int
    rows: int | None = None


class DeliveryManifest(BaseModel):
    """Everything known of one delivery of one feed. Holds no row values.

    ``rows_in = rows_accepted + rows_rejected`` always, unless ``contract_problem`` is set (then
    nothing was accepted or rejected: the delivery as a whole is refused). ``arrival`` is the number
    of the feed's publication that put it in force, counted from 1; 0 for none.

    Who is erased is taken out of its rows and counts: ``erasures`` are the numbers of the receipts.
    ``content_hash`` stays that of what was delivered, so that nothing takes an erasure for late
    data; ``edited_hash`` is that of the files where an erasure edited these, too.
    """

    feed: FeedName
    delivery_id: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}\.\d{3}$")
    delivery_date: date
    sequence: int = Field(ge=1, le=999)
    files: list[DeliveredFile]
    content_hash: str
    declaration_hash: str = ""
    rows_in: int = 0
    rows_accepted: int = 0
    rows_rejected: int = 0
    rejected_by_reason: dict[str, int] = Field(default_factory=dict)
    event_days: list[date] = Field(default_factory=list)
    newest_on: date | None = None
    profile: dict[str, Any] = Field(default_factory=dict)
    contract_problem: str | None = None
    verdict: Literal["staged", "promoted", "refused"] = "staged"
    failed_expectations: list[str] = Field(default_factory=list)
    warned_expectations: list[str] = Field(default_factory=list)
    landed_at: datetime
    arrival: int = 0
    erasures: list[int] = Field(default_factory=list)
    edited_hash: str | None = None


def delivery_id(delivery_date: date, sequence: int) -> str:
    """``2026-10-31.001``: sorts in the order in which deliveries supersede one another."""
    return f"{delivery_date.isoformat()}.{sequence:03d}"


def save_manifest(lake: Lake, manifest: DeliveryManifest) -> None:
    """Write or replace a delivery's manifest."""
    lake.write_json(
        manifest.model_dump(mode="json"),
        "deliveries",
        manifest.feed,
        f"{manifest.delivery_id}.json",
    )


def manifests(
    lake: Lake, feed: FeedName, first: date | None = None, last: date | None = None
) -> list[DeliveryManifest]:
    """The manifests of a feed whose delivery date lies in ``first``..``last``, in order."""
    found = []
    for file in lake.files("deliveries", feed, suffix=".json"):
        day = date.fromisoformat(file.rsplit("/", 1)[1][:10])
        if (first is None or day >= first) and (last is None or day <= last):
            found.append(DeliveryManifest.model_validate(lake.read_json(file)))
    return found


def raw_partition(feed: Feed, day: str) -> str:
    """Folder name of one partition of a feed's raw table."""
    return f"{'event_day' if feed.name == 'activity' else 'delivery_date'}={day}"


def raw_columns_sql(feed: Feed) -> str:
    """The raw table's columns as typed NULLs: the schema of an empty file."""
    typed = [f"CAST(NULL AS {c.sql_type}) AS {c.name}" for c in feed.columns]
    return ", ".join([*typed, "CAST(NULL AS VARCHAR) AS delivery_id"])


def initialise(lake: Lake) -> None:
    """Lay the empty files that let every glob and every index be read from the first day on."""
    missing: list[tuple[str, tuple[str, ...]]] = []
    for feed in CONTRACT.values():
        placeholder = (
            "raw",
            feed.name,
            raw_partition(feed, PLACEHOLDER_DAY),
            "placeholder.parquet",
        )
        if not lake.exists(*placeholder):
            missing.append((f"SELECT {raw_columns_sql(feed)} WHERE false", placeholder))
        versions = ("versions", f"{feed.name}.parquet")
        if feed.kind == "snapshot" and not lake.exists(*versions):
            typed = ", ".join(f"CAST(NULL AS {c.sql_type}) AS {c.name}" for c in feed.columns)
            days = "CAST(NULL AS DATE) AS valid_from, CAST(NULL AS DATE) AS valid_to"
            missing.append((f"SELECT {typed}, {days} WHERE false", versions))
        if not lake.exists("in_force", f"{feed.name}.parquet"):
            _write_in_force(lake, feed.name, [])
    if missing:
        with lake.connect() as connection:
            for query, parts in missing:
                lake.write_parquet(connection, query, *parts)


def in_force(lake: Lake, feed: FeedName) -> list[dict[str, Any]]:
    """The deliveries in force of a feed, oldest first: the rows of the index."""
    if not lake.exists("in_force", f"{feed}.parquet"):
        return []
    rows = lake.read_rows("in_force", f"{feed}.parquet")
    return sorted(rows, key=lambda row: str(row["delivery_id"]))


def last_arrival(lake: Lake, feed: FeedName) -> int:
    """The number of the publication that put the feed's newest arrivals in force; 0 for none."""
    return max((row.get("arrival") or 0 for row in in_force(lake, feed)), default=0)


def rewrite_in_force(lake: Lake, feed: FeedName) -> list[DeliveryManifest]:
    """Put in force, for each date, the promoted delivery of the highest sequence; returns them.

    This is the commit of publication: before it, promoted files are invisible; after it, visible.
    """
    rows = _to_be_in_force(manifests(lake, feed))
    _write_in_force(lake, feed, rows)
    return rows


def unfinished(lake: Lake, feed: FeedName, known: Sequence[DeliveryManifest]) -> set[date]:
    """Dates of deliveries that an ingest left between landing and the commit of publication.

    Args:
        known: every manifest of the feed.
    """
    if not known:
        return set()
    standing = {row["delivery_id"] for row in in_force(lake, feed)}
    aside = {file.split("/")[2] for file in lake.files("staged", feed)}
    return {
        *(m.delivery_date for m in known if m.verdict == "staged" or m.delivery_id in aside),
        *(m.delivery_date for m in _to_be_in_force(known) if m.delivery_id not in standing),
    }


def _to_be_in_force(known: Iterable[DeliveryManifest]) -> list[DeliveryManifest]:
    """For each date, the promoted delivery of the highest sequence, in order."""
    chosen: dict[date, DeliveryManifest] = {}
    for manifest in known:
        if manifest.verdict == "promoted":
            held = chosen.get(manifest.delivery_date)
            if held is None or held.sequence < manifest.sequence:
                chosen[manifest.delivery_date] = manifest
    return [chosen[day] for day in sorted(chosen)]


def _write_in_force(lake: Lake, feed: FeedName, rows: list[DeliveryManifest]) -> None:
    table = pa.Table.from_pylist(
        [{name: getattr(row, name) for name in IN_FORCE_SCHEMA.names} for row in rows],
        schema=IN_FORCE_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    lake.write_bytes(sink.getvalue().to_pybytes(), "in_force", f"{feed}.parquet")
