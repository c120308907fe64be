"""Deliveries as landing leaves them, small and by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveredFile,
    DeliveryManifest,
    delivery_id,
    raw_columns_sql,
    raw_partition,
    rewrite_in_force,
    save_manifest,
)
from orchestration.lake import Lake
from orchestration.settings import FeedName

LANDED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def good_profile(feed: FeedName, rows: int = 10) -> dict[str, Any]:
    """A profile with which every expectation of the feed's suite holds."""
    profile: dict[str, Any] = {
        "missing_columns": 0,
        "volume_ratio": 1.0,
        "redelivery_ratio": None,
        "days_since_previous": 30,
        "newest_age_days": 1,
        "persons_checked": 1,
        "manager_cycle_rows": 0,
        "rejected_share__unknown_person": 0.0,
    }
    for column in CONTRACT[feed].columns:
        name = column.name
        profile[f"null_share__{name}"] = 0.0
        profile[f"unknown_share__{name}"] = 0.0
        profile[f"newest_age_days__{name}"] = 1
        profile[f"min__{name}"] = 1.0
        profile[f"max__{name}"] = 2.0
    if feed == "org_units":
        profile["null_share__parent_org_unit_id"] = 1 / rows
    return profile


def manifest_of(
    feed: FeedName,
    day: date,
    sequence: int = 1,
    *,
    rows: int = 10,
    rejected: int = 0,
    **fields: Any,
) -> DeliveryManifest:
    """A staged delivery's manifest with a good profile; ``fields`` change it."""
    values: dict[str, Any] = {
        "profile": good_profile(feed, max(rows, 1)),
        "content_hash": f"hash-of-{feed}-{day}-{sequence}",
        "event_days": [day - timedelta(days=1)] if feed == "activity" else [],
        "newest_on": day if CONTRACT[feed].kind == "snapshot" else day - timedelta(days=1),
        "landed_at": LANDED_AT,
        **fields,
    }
    return DeliveryManifest(
        feed=feed,
        delivery_id=delivery_id(day, sequence),
        delivery_date=day,
        sequence=sequence,
        files=[DeliveredFile(path=f"{feed}_{day}.csv", sha256="0" * 64, bytes=1, rows=rows)],
        rows_in=rows + rejected,
        rows_accepted=rows,
        rows_rejected=rejected,
        rejected_by_reason={"unknown person": rejected} if rejected else {},
        **values,
    )


def stage(lake: Lake, manifest: DeliveryManifest) -> DeliveryManifest:
    """Lay a delivery's files as landing does, the manifest last."""
    feed = CONTRACT[manifest.feed]
    name, day = manifest.delivery_id, manifest.delivery_date.isoformat()
    with lake.connect() as connection:
        if manifest.contract_problem is None:
            days = (
                [d.isoformat() for d in manifest.event_days] if feed.name == "activity" else [day]
            )
            share, rest = divmod(manifest.rows_accepted, len(days) or 1)
            for position, part in enumerate(days):
                rows = share + (rest if position == 0 else 0)
                key = ", ".join(f"'{feed.name}-' || i AS {column}" for column in feed.key[:1])
                lake.write_parquet(
                    connection,
                    f"SELECT * REPLACE ({key}, '{name}' AS delivery_id) FROM "
                    f"(SELECT {raw_columns_sql(feed)}), range({rows}) AS r(i) ".replace(
                        "SELECT *", "SELECT * EXCLUDE (i)", 1
                    ),
                    "staged",
                    feed.name,
                    name,
                    raw_partition(feed, part),
                    f"{name}.parquet",
                )
        if manifest.rows_rejected:
            lake.write_parquet(
                connection,
                f"SELECT '{name}' AS delivery_id, 'file.csv' AS source_file, i + 1 AS row_number, "
                "'unknown person' AS reason, '{\"secret\": 1}' AS row_json "
                f"FROM range({manifest.rows_rejected}) AS r(i)",
                "raw_rejected",
                feed.name,
                f"delivery_date={day}",
                f"{name}.parquet",
            )
    save_manifest(lake, manifest)
    return manifest


def in_place(lake: Lake, *deliveries: DeliveryManifest) -> None:
    """Manifests and index only, for what reads nothing else."""
    for manifest in deliveries:
        save_manifest(lake, manifest)
    for feed in {m.feed for m in deliveries}:
        rewrite_in_force(lake, feed)


def rows_of(lake: Lake, feed: FeedName) -> int:
    """Rows that a reader of the raw table sees: those of deliveries in force."""
    with lake.connect() as connection:
        found = connection.execute(
            f"SELECT count(*) FROM read_parquet('{lake.path('raw', feed)}/*/*.parquet', "
            "hive_partitioning = true, union_by_name = true) WHERE delivery_id IN (SELECT "
            f"delivery_id FROM read_parquet('{lake.path('in_force', f'{feed}.parquet')}'))"
        ).fetchone()
    assert found is not None
    return int(found[0])
