"""Folding of dated snapshots into versions: what was known of each row, and from when to when.

A snapshot of day D is the state at the end of D. ``versions/<feed>.parquet`` holds one row for
each stretch of days in which a row of the feed did not change: the contract's columns and
``valid_from`` (inclusive), ``valid_to`` (exclusive, null while it lasts). A row that a later
snapshot no longer has ended on that snapshot's date.

Any order of arrival gives the same versions. Snapshot M speaks for the days from M up to the next
snapshot N, whatever came before it in time of arrival: so a new, late or superseding snapshot
replaces exactly the stretch [M, N) of what is there and touches nothing else. Which deliveries the
versions stand on is kept in the same file (Parquet key-value metadata), so that the two cannot
disagree after a crash.
"""

import json
import os
import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import duckdb

from orchestration.feeds.contract import CONTRACT, SNAPSHOTS
from orchestration.feeds.deliveries import in_force, initialise, raw_partition
from orchestration.feeds.landing import feed_lock
from orchestration.lake import Lake, identifier, quoted
from orchestration.periods import day_partitions
from orchestration.settings import FeedName, Settings

_STATE_KEY = "folded"
_FORMAT = 1  # raise when the rule of folding changes: every versions file is then folded anew


@dataclass(frozen=True)
class FoldReport:
    """What one fold did.

    Attributes:
        folded: delivery ids read by this fold.
        standing_on: number of deliveries the versions now stand on.
        versions: rows of the versions file.
        rebuilt: whether the versions were folded from all deliveries anew.
    """

    feed: FeedName
    folded: tuple[str, ...]
    standing_on: int
    versions: int
    rebuilt: bool


def fold(lake: Lake, feed: FeedName, *, changes: bool = False, anew: bool = False) -> FoldReport:
    """Bring ``versions/<feed>.parquet`` up to the deliveries in force.

    Args:
        changes: a delivery holds only the rows that changed (nothing vanishes by absence).
        anew: fold all deliveries again: one was edited.
    """
    wanted: dict[date, str] = {}
    identity: dict[date, str] = {}
    for row in in_force(lake, feed):
        if row["rows_accepted"]:
            wanted[row["delivery_date"]] = row["delivery_id"]
            identity[row["delivery_date"]] = f"{row['delivery_id']}:{row['content_hash'][:16]}"
        elif not changes:  # an empty snapshot in force: everything ended that day
            wanted[row["delivery_date"]] = ""
            identity[row["delivery_date"]] = f"{row['delivery_id']}:empty"
    with lake.connect() as connection:
        return _fold(lake, connection, feed, changes, wanted, identity, anew)


def bring_versions_up_to_date(settings: Settings, lake: Lake, feed: FeedName) -> FoldReport:
    """Fold what has come into force of a declared feed; where nothing has, a look at the file.

    Raises:
        Problem: another process held the feed for longer than ``duckdb.lock_timeout_seconds``.
    """
    with feed_lock(settings, feed):
        return fold(lake, feed, changes=settings.feeds[feed].delivery == "changes")


def _fold(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    changes: bool,
    wanted: dict[date, str],
    identity: dict[date, str],
    anew: bool,
) -> FoldReport:
    """Fold the deliveries ``wanted`` (date to id); ``identity`` tells one from its successor."""
    shape = {
        "format": _FORMAT,
        "kind": "changes" if changes else "snapshot",
        "columns": [f"{c.name} {c.sql_type}" for c in CONTRACT[feed].columns],
    }
    state = None if anew else _state(lake, connection, feed)
    known: dict[date, str] = {}
    if state is not None and state["shape"] == shape:
        known = {date.fromisoformat(day): name for day, name in state["deliveries"].items()}
    new = sorted(day for day in identity if known.get(day) != identity[day])
    gone = [day for day in known if day not in identity]
    if not new and not gone and state is not None:
        return FoldReport(feed, (), len(known), _count(lake, connection, feed), False)
    # A change set does not say what earlier sets repeated: only one at the end can be appended.
    late = changes and bool(known) and bool(new) and min(new) <= max(known)
    rebuilt = bool(gone) or late or not known
    if rebuilt:
        new, known = sorted(identity), {}
    query = (_changes_sql if changes else _snapshot_sql)(
        lake, feed, {day: wanted[day] for day in new}, sorted(known)
    )
    versions = _write(
        lake,
        connection,
        feed,
        query,
        {"shape": shape, "deliveries": {d.isoformat(): identity[d] for d in sorted(identity)}},
    )
    return FoldReport(feed, tuple(wanted[day] for day in new), len(identity), versions, rebuilt)


def _file(lake: Lake, feed: FeedName) -> str:
    return lake.path("versions", f"{feed}.parquet")


def _state(lake: Lake, connection: duckdb.DuckDBPyConnection, feed: FeedName) -> Any:
    """What the versions file says it stands on; None where it was never folded."""
    if not lake.exists("versions", f"{feed}.parquet"):
        return None
    found = connection.execute(
        f"SELECT decode(value) FROM parquet_kv_metadata({quoted(_file(lake, feed))}) "
        "WHERE decode(key) = ?",
        [_STATE_KEY],
    ).fetchone()
    return json.loads(found[0]) if found else None


def _count(lake: Lake, connection: duckdb.DuckDBPyConnection, feed: FeedName) -> int:
    found = connection.execute(
        f"SELECT num_rows FROM parquet_file_metadata({quoted(_file(lake, feed))})"
    ).fetchone()
    return int(found[0]) if found else 0


def _new_rows_sql(lake: Lake, feed: FeedName, deliveries: dict[date, str]) -> str:
    """The rows of the deliveries to fold, each with the date of its snapshot (``day``)."""
    contract = CONTRACT[feed]
    columns = ", ".join(identifier(name) for name in contract.column_names)
    files = [
        quoted(lake.path("raw", feed, raw_partition(contract, day.isoformat()), f"{name}.parquet"))
        for day, name in deliveries.items()
        if name
    ]
    if not files:
        typed = ", ".join(
            f"CAST(NULL AS {c.sql_type}) AS {identifier(c.name)}" for c in contract.columns
        )
        return f"SELECT {typed}, CAST(NULL AS DATE) AS day WHERE false"
    return (
        f"SELECT {columns}, CAST(left(delivery_id, 10) AS DATE) AS day "
        f"FROM read_parquet([{', '.join(files)}], hive_partitioning = false)"
    )


def _days_sql(rows: list[tuple[date, date | None]], *names: str) -> str:
    """Pairs of dates as an inline table."""
    values = ", ".join(
        "(" + ", ".join(f"DATE '{d}'" if d else "CAST(NULL AS DATE)" for d in row) + ")"
        for row in rows
    )
    return f"(VALUES {values}) AS t({', '.join(names)})"


def _snapshot_sql(
    lake: Lake, feed: FeedName, deliveries: dict[date, str], known: list[date]
) -> str:
    """Versions after the snapshots ``deliveries`` join those of the days ``known``."""
    contract = CONTRACT[feed]
    columns = ", ".join(identifier(name) for name in contract.column_names)
    every = sorted({*deliveries, *known})
    if not every:
        return f"SELECT {columns}, day AS valid_from, day AS valid_to FROM (" + (
            _new_rows_sql(lake, feed, {}) + ")"
        )
    following: dict[date, date | None] = dict(zip(every, [*every[1:], None], strict=True))
    spans = _days_sql([(day, following[day]) for day in deliveries], "day", "until")
    pieces = (
        f"SELECT {columns}, day AS valid_from, until AS valid_to "
        f"FROM ({_new_rows_sql(lake, feed, deliveries)}) JOIN {spans} USING (day)"
    )
    kept = [(day, following[day]) for day in known if day not in deliveries]
    merged: list[tuple[date, date | None]] = []
    for start, end in kept:
        if merged and merged[-1][1] == start:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    if merged:
        forever = "DATE '9999-12-31'"
        end_of = f"least(coalesce(valid_to, {forever}), coalesce(until, {forever}))"
        pieces += (
            f" UNION ALL SELECT {columns}, greatest(valid_from, day), "
            f"nullif({end_of}, {forever}) "
            f"FROM read_parquet({quoted(_file(lake, feed))}) AS v "
            f"JOIN {_days_sql(merged, 'day', 'until')} ON v.valid_from < "
            f"coalesce(t.until, {forever}) AND coalesce(v.valid_to, {forever}) > t.day"
        )
    return _coalesced_sql(feed, pieces)


def _coalesced_sql(feed: FeedName, pieces: str) -> str:
    """Pieces that touch and say the same, joined into one version each."""
    contract = CONTRACT[feed]
    columns = ", ".join(identifier(name) for name in contract.column_names)
    key = ", ".join(identifier(name) for name in contract.key)
    same = _unchanged_sql(feed)
    return f"""
        SELECT {columns}, valid_from, coalesce(lead(prior_to) OVER w, last_to) AS valid_to
        FROM (
            SELECT *, lag(valid_to) OVER w AS prior_to, last_value(valid_to) OVER (
                PARTITION BY {key} ORDER BY valid_from
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
            ) AS last_to
            FROM ({pieces})
            WINDOW w AS (PARTITION BY {key} ORDER BY valid_from)
            QUALIFY NOT coalesce(prior_to = valid_from AND {same}, false)
        )
        WINDOW w AS (PARTITION BY {key} ORDER BY valid_from)
    """


def _unchanged_sql(feed: FeedName) -> str:
    """Whether a row says the same as the one before it in window ``w``."""
    contract = CONTRACT[feed]
    return " AND ".join(
        f"{identifier(name)} IS NOT DISTINCT FROM lag({identifier(name)}) OVER w"
        for name in contract.column_names
        if name not in contract.key
    )


def _changes_sql(lake: Lake, feed: FeedName, deliveries: dict[date, str], known: list[date]) -> str:
    """Versions after the change sets ``deliveries``, each later than every day of ``known``."""
    contract = CONTRACT[feed]
    columns = ", ".join(identifier(name) for name in contract.column_names)
    key = ", ".join(identifier(name) for name in contract.key)
    pieces = _new_rows_sql(lake, feed, deliveries)
    if known:
        pieces += (
            f" UNION ALL SELECT {columns}, valid_from AS day "
            f"FROM read_parquet({quoted(_file(lake, feed))})"
        )
    return f"""
        SELECT {columns}, day AS valid_from, lead(day) OVER w AS valid_to
        FROM (
            SELECT * FROM ({pieces})
            WINDOW w AS (PARTITION BY {key} ORDER BY day)
            QUALIFY lag(day) OVER w IS NULL OR NOT ({_unchanged_sql(feed)})
        )
        WINDOW w AS (PARTITION BY {key} ORDER BY day)
    """


def _write(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    query: str,
    state: dict[str, Any],
) -> int:
    """Replace the versions file, state included, whole or not at all; returns its row count."""
    lake.make_folder("versions")
    order = ", ".join([*(identifier(name) for name in CONTRACT[feed].key), "valid_from"])
    aside = ("versions", f"{feed}.parquet.{uuid.uuid4().hex}.tmp")
    # By way of a table: the file's encoding then depends on the rows alone, not on the plan.
    connection.execute(f"CREATE OR REPLACE TEMP TABLE folded AS {query}")
    try:
        connection.execute(
            f"COPY (SELECT * FROM folded ORDER BY {order}) TO {quoted(lake.path(*aside))} "
            "(FORMAT parquet, COMPRESSION zstd, "
            f"KV_METADATA {{{_STATE_KEY}: {quoted(json.dumps(state))}}})"
        )
        if lake.is_local:
            with open(lake.path(*aside), "rb") as handle:
                os.fsync(handle.fileno())
        lake.move(aside, ("versions", f"{feed}.parquet"))
    except BaseException:
        lake.remove(*aside)
        raise
    return _count(lake, connection, feed)


def build_fold_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """One asset a declared snapshot feed: ``warehouse/versions_<feed>``."""
    return [_versions_asset(settings, feed) for feed in SNAPSHOTS if feed in settings.feeds]


def _versions_asset(settings: Settings, feed: FeedName) -> dg.AssetsDefinition:
    contract = CONTRACT[feed]

    @dg.asset(
        key=["warehouse", f"versions_{feed}"],
        deps=[dg.AssetKey(["quality", f"raw_{feed}"])],
        partitions_def=day_partitions(settings.organisation),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="warehouse",
        kinds={"duckdb", "parquet"},
        owners=["team:data-engineering"],
        description=(
            f"Every version of each row of `{feed}` with the days it was valid "
            "(`valid_from` inclusive, `valid_to` exclusive), folded from the snapshots in force "
            "in any order with the same result."
        ),
        metadata={
            "dagster/column_schema": dg.TableSchema(
                columns=[
                    *(dg.TableColumn(c.name, c.sql_type) for c in contract.columns),
                    dg.TableColumn("valid_from", "DATE"),
                    dg.TableColumn("valid_to", "DATE"),
                ]
            )
        },
    )
    def versions() -> dg.MaterializeResult:
        lake = Lake(settings.lake_url, settings.duckdb)
        initialise(lake)
        report = bring_versions_up_to_date(settings, lake, feed)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": report.versions,
                "deliveries_in_force": report.standing_on,
                "deliveries_folded_now": len(report.folded),
                "folded_anew": report.rebuilt,
            }
        )

    return versions
