"""Late data: which closed periods what arrived since touches, and in which units.

Every publication of a feed has a number (its arrival), and figures keep the newest that their
close knew. What each later arrival changed is noted once: the rows that differ from what was in
force before it, and the days for which they do. A row of activity counts on its day; a snapshot
delivered late, up to the next one; a snapshot of today touches the past only where it tells of it,
such as a completion of last month. What concerns no closed day is not kept, so a delivery in time
costs one look.

``late/<feed>/<arrival>.parquet`` holds one row a changed row and reach; it names units, nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from filelock import FileLock

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, last_arrival, manifests, raw_partition
from orchestration.lake import Lake, identifier, quoted
from orchestration.periods import Grain, Period
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.late_reach import (
    CANCELLED,
    FOREVER,
    ONLY_THEIR_DAYS,
    REACHES,
    TOUCHES,
)
from orchestration.warehouse.published import figures_in_force, history_hash

_NOTED = ("late", "noted.json")


@dataclass(frozen=True)
class Late:
    """What of one feed arrived after a period's figures were made: deliveries, rows that differ,
    their units (ids; empty where the organisation knows none)."""

    feed: FeedName
    deliveries: tuple[str, ...]
    rows: int
    units: tuple[str, ...]


@dataclass(frozen=True)
class Touched:
    """A period whose figures are no longer what a build would give now.

    Attributes:
        late: what arrived; none where only the figures of earlier periods, which its marks stand
            on, have changed since.
    """

    period: Period
    late: tuple[Late, ...]


def note_arrivals(settings: Settings, lake: Lake) -> dict[FeedName, int]:
    """Note what each arrival changed of closed days, one arrival after the other, each once.

    Returns:
        Of each feed, the number of the newest arrival that is noted.
    """
    lock = FileLock(settings.home / "locks" / "late.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    with lock:
        closed = _closed(lake)
        figures = [made for grain in Grain for made in figures_in_force(lake, grain).values()]
        known: dict[FeedName, int] = lake.read_json(*_NOTED) if lake.exists(*_NOTED) else {}
        noted = dict(known)
        for feed in CONTRACT:
            newest = last_arrival(lake, feed)
            if feed not in noted:  # the first time: from what all figures were made with
                noted[feed] = min((made.arrivals.get(feed, 0) for made in figures), default=newest)
            if noted[feed] < newest and closed:
                horizon = max(period.end for period in closed)
                _note_feed(settings, lake, feed, noted, newest, horizon)
            noted[feed] = newest
        if noted != known:
            lake.write_json(noted, *_NOTED)
    return noted


def touched_periods(lake: Lake) -> list[Touched]:
    """Every period with figures that late data or restated earlier figures touch, in order.

    Sees what :func:`note_arrivals` has noted.
    """
    figures = {grain: figures_in_force(lake, grain) for grain in Grain}
    built = [Period.parse(name) for of_grain in figures.values() for name in of_grain]
    late = _reached(
        lake,
        [
            (Period.parse(name), feed, arrival)
            for of_grain in figures.values()
            for name, made in of_grain.items()
            for feed, arrival in made.arrivals.items()
        ],
    )
    found: list[Touched] = []
    for period in built:
        of_grain = figures[period.grain]
        made_with = of_grain[period.id].history
        marks = made_with is not None and made_with != history_hash(of_grain, period)
        if period in late or marks:
            found.append(Touched(period, tuple(late.get(period, ()))))
    return found


def late_feeds(lake: Lake, period: Period, known: Mapping[FeedName, int]) -> set[FeedName]:
    """The feeds of which rows that touch a period arrived after what was known.

    Args:
        known: of each feed, its newest arrival then.
    """
    asked = [(period, feed, arrival) for feed, arrival in known.items()]
    return {late.feed for late in _reached(lake, asked).get(period, ())}


def ranges(periods: Sequence[Period]) -> list[tuple[Period, Period]]:
    """Periods of one grain as first and last of each unbroken stretch, in order."""
    found: list[tuple[Period, Period]] = []
    for period in sorted(periods):
        if found and found[-1][1].shift(1) == period:
            found[-1] = (found[-1][0], period)
        else:
            found.append((period, period))
    return found


def _closed(lake: Lake) -> list[Period]:
    names = [file.rsplit("/", 1)[1].removesuffix(".json") for file in lake.files("closes")]
    return [Period.parse(name) for name in names]


def _reached(lake: Lake, known: Sequence[tuple[Period, FeedName, int]]) -> dict[Period, list[Late]]:
    """What of each period and feed arrived after the arrival that was known."""
    files = [lake.path(file) for file in lake.files("late", suffix=".parquet")]
    if not files or not known:
        return {}
    periods = pa.Table.from_pylist(
        [
            {
                "grain": period.grain.value,
                "period_id": period.id,
                "period_start": period.start,
                "period_end": period.end,
                "feed": feed,
                "arrival": arrival,
            }
            for period, feed, arrival in known
        ]
    )
    reached = " ".join(f"WHEN '{name}' THEN {sql}" for name, sql in REACHES.items())
    with lake.connect() as connection:
        connection.register("periods", periods)
        rows = connection.execute(
            f"""
            WITH touches AS (
                SELECT * REPLACE (coalesce(last_on, {FOREVER}) AS last_on)
                FROM read_parquet([{", ".join(quoted(file) for file in files)}])
            )
            SELECT p.period_id, t.feed, list(DISTINCT t.delivery_id ORDER BY t.delivery_id),
                count(DISTINCT (t.arrival, t.row_number)),
                list(DISTINCT t.org_unit_id ORDER BY t.org_unit_id)
            FROM periods AS p
            INNER JOIN touches AS t ON p.feed = t.feed AND t.arrival > p.arrival
                AND CASE t.reach {reached} END
            GROUP BY p.period_id, t.feed
            """
        ).fetchall()
    found: dict[Period, list[Late]] = {}
    order = list(CONTRACT)
    for period_id, feed, deliveries, count, units in sorted(
        rows, key=lambda row: order.index(row[1])
    ):
        late = Late(feed, tuple(deliveries), count, tuple(units))
        found.setdefault(Period.parse(period_id), []).append(late)
    return found


# ---- noting --------------------------------------------------------------------------------


def _note_feed(
    settings: Settings,
    lake: Lake,
    feed: FeedName,
    noted: dict[FeedName, int],
    newest: int,
    horizon: date,
) -> None:
    promoted = [m for m in manifests(lake, feed) if m.verdict == "promoted"]
    pending = sorted({m.arrival for m in promoted if noted[feed] < m.arrival <= newest})
    for arrival in pending:
        before = _in_force_at(promoted, arrival - 1)
        now = _in_force_at(promoted, arrival)
        arrived = [m for m in now.values() if m.arrival == arrival]
        with lake.connect() as connection:
            _prepare(settings, lake, connection)
            is_event = CONTRACT[feed].kind == "events"
            find = _find_changed_events if is_event else _find_changed_rows
            if find(settings, lake, connection, feed, before, now, arrived, horizon):
                _write_touches(lake, connection, feed, arrival, arrived, horizon)
        lake.write_json({**noted, feed: arrival}, *_NOTED)


def _in_force_at(
    promoted: Sequence[DeliveryManifest], arrival: int
) -> dict[date, DeliveryManifest]:
    """Of each date, the delivery that was in force once this arrival was published."""
    ordered = sorted(promoted, key=lambda m: m.delivery_id)
    return {m.delivery_date: m for m in ordered if m.arrival <= arrival}


def _prepare(settings: Settings, lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    """The macros and relations that the queries of touches read."""
    zone = quoted(settings.organisation.time_zone)

    def versions(feed: str) -> str:
        return f"read_parquet({quoted(lake.path('versions', f'{feed}.parquet'))})"

    for statement in (
        f"CREATE MACRO local_day(moment) AS CAST(moment AT TIME ZONE {zone} AS DATE)",
        f"CREATE MACRO forever() AS {FOREVER}",
        "CREATE MACRO is_cancelled(status) AS lower(trim(status)) IN "
        f"({', '.join(quoted(status) for status in CANCELLED)})",
        f"CREATE VIEW enrolments AS SELECT * FROM {versions('enrolments')}",
        "CREATE VIEW courses AS SELECT course_id, bool_or(is_mandatory) AS is_mandatory, "
        f"bool_or(is_flagship) AS is_flagship FROM {versions('courses')} GROUP BY course_id",
        f"CREATE VIEW leaders AS SELECT DISTINCT person_id FROM {versions('people')} "
        "WHERE lower(trim(leader_level)) = 'elt'",
        "CREATE VIEW homes AS SELECT person_id, org_unit_id, CASE WHEN row_number() OVER ("
        "PARTITION BY person_id ORDER BY valid_from) = 1 THEN DATE '0001-01-01' ELSE valid_from "
        f"END AS applies_from FROM {versions('people')}",
    ):
        connection.execute(statement)


def _files(
    lake: Lake,
    feed: FeedName,
    deliveries: Mapping[date, DeliveryManifest] | Sequence[DeliveryManifest],
    days: Sequence[date] | None = None,
) -> str:
    """The rows of some deliveries; of activity those of some event days only. As SQL."""
    contract = CONTRACT[feed]
    listed = deliveries.values() if isinstance(deliveries, Mapping) else deliveries
    wanted = None if days is None else set(days)
    found = []
    for each in listed:
        if not each.rows_accepted:
            continue
        parts = each.event_days if feed == "activity" else [each.delivery_date]
        found += [
            quoted(
                lake.path(
                    "raw", feed, raw_partition(contract, day.isoformat()),
                    f"{each.delivery_id}.parquet",
                )
            )
            for day in parts
            if wanted is None or day in wanted
        ]  # fmt: skip
    columns = ", ".join(identifier(name) for name in [*contract.column_names, "delivery_id"])
    if not found:
        typed = ", ".join(f"CAST(NULL AS {c.sql_type}) AS {identifier(c.name)}"
                          for c in contract.columns)  # fmt: skip
        return f"SELECT {typed}, CAST(NULL AS VARCHAR) AS delivery_id WHERE false"
    return f"SELECT {columns} FROM read_parquet([{', '.join(found)}], hive_partitioning = false)"


def _find_changed_events(
    settings: Settings,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    before: Mapping[date, DeliveryManifest],
    now: Mapping[date, DeliveryManifest],
    arrived: Sequence[DeliveryManifest],
    horizon: date,
) -> bool:
    """Lay the events of closed days that read otherwise since an arrival; whether there are any.

    An event sent again is known by its key; what the newest delivery says of it counts.
    """
    contract = CONTRACT[feed]
    replaced = [before[m.delivery_date] for m in arrived if m.delivery_date in before]
    days = None
    if feed == "activity":
        days = sorted({d for m in (*arrived, *replaced) for d in m.event_days if d <= horizon})
        if not days:
            return False
    key = ", ".join(identifier(name) for name in contract.key)
    happened = identifier(contract.event_time or "")
    timed = contract.column(contract.event_time or "").sql_type == "TIMESTAMPTZ"
    day = f"local_day({happened})" if timed else happened
    # what is recorded of the past tells of it in other columns
    late = "true" if feed == "records" else f"{day} <= DATE '{horizon}'"
    connection.execute(
        f"CREATE TABLE asked AS SELECT DISTINCT {key} FROM "
        f"({_files(lake, feed, [*arrived, *replaced], days)}) WHERE {late}"
    )
    if not _count(connection, "asked"):
        return False
    for name, standing in (("was", before), ("is", now)):
        connection.execute(
            f"CREATE TABLE {name}_known AS SELECT * EXCLUDE (delivery_id) FROM "
            f"({_files(lake, feed, standing, days)}) SEMI JOIN asked USING ({key}) "
            f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY delivery_id DESC) = 1"
        )
    _compare(connection, feed, "CAST(NULL AS DATE)", "CAST(NULL AS DATE)")
    return bool(_count(connection, "changed"))


def _find_changed_rows(
    settings: Settings,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    before: Mapping[date, DeliveryManifest],
    now: Mapping[date, DeliveryManifest],
    arrived: Sequence[DeliveryManifest],
    horizon: date,
) -> bool:
    """Lay the rows that arrived snapshots say otherwise than what was in force for their days."""
    changes = feed in settings.feeds and settings.feeds[feed].delivery == "changes"
    found = False
    for manifest in sorted(arrived, key=lambda m: m.delivery_date):
        day = manifest.delivery_date
        if feed in ONLY_THEIR_DAYS and day > horizon:
            continue
        following = min((d for d in now if d > day), default=None)
        until = f"DATE '{following}'" if following else "CAST(NULL AS DATE)"
        connection.execute(
            f"CREATE OR REPLACE TABLE is_known AS {_contract(lake, feed, [manifest])}"
        )
        if changes:  # says nothing of what it does not name, for as long as nothing else does
            key = ", ".join(identifier(name) for name in CONTRACT[feed].key)
            columns = ", ".join(identifier(name) for name in CONTRACT[feed].column_names)
            versions = quoted(lake.path("versions", f"{feed}.parquet"))
            connection.execute(
                f"CREATE OR REPLACE TABLE was_known AS SELECT {columns} "
                f"FROM read_parquet({versions}) SEMI JOIN is_known USING ({key}) "
                f"WHERE valid_from < DATE '{day}' "
                f"AND (valid_to IS NULL OR valid_to >= DATE '{day}')"
            )
        else:
            spoke = max((d for d in before if d <= day), default=None)
            standing = [] if spoke is None else [before[spoke]]
            connection.execute(
                f"CREATE OR REPLACE TABLE was_known AS {_contract(lake, feed, standing)}"
            )
        _compare(connection, feed, f"DATE '{day}'", until, append=found)
        found = True
    return found and bool(_count(connection, "changed"))


def _contract(lake: Lake, feed: FeedName, deliveries: Sequence[DeliveryManifest]) -> str:
    return f"SELECT * EXCLUDE (delivery_id) FROM ({_files(lake, feed, deliveries)})"


def _compare(
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    day: str,
    until: str,
    *,
    append: bool = False,
) -> None:
    """``was_known`` against ``is_known`` by key, into ``changed``.

    Rows are numbered in the order of their keys, so that what is noted has the same bytes always.
    """
    contract = CONTRACT[feed]
    first = identifier(contract.key[0])
    key = " AND ".join(f"w.{identifier(n)} = i.{identifier(n)}" for n in contract.key)
    order = ", ".join(f"coalesce(before.{n}, after.{n})" for n in map(identifier, contract.key))
    numbered = _count(connection, "changed") if append else 0
    query = (
        f"SELECT {numbered} + row_number() OVER (ORDER BY {order}) AS row_number, before, after, "
        f"{day} AS day, {until} AS until "
        f"FROM (SELECT CASE WHEN w.{first} IS NOT NULL THEN w END AS before, "
        f"CASE WHEN i.{first} IS NOT NULL THEN i END AS after "
        f"FROM was_known AS w FULL JOIN is_known AS i ON {key}) "
        "WHERE before IS DISTINCT FROM after"
    )
    if append:
        connection.execute(f"INSERT INTO changed {query}")
    else:
        connection.execute(f"CREATE TABLE changed AS {query}")


def _write_touches(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    arrival: int,
    arrived: Sequence[DeliveryManifest],
    horizon: date,
) -> None:
    """Keep what concerns closed days; a person counts in the unit of that day."""
    connection.execute(
        "CREATE VIEW sides AS SELECT * FROM (SELECT *, unnest([before, after]) AS side "
        "FROM changed) WHERE side IS NOT NULL"
    )
    ids = ", ".join(m.delivery_id for m in sorted(arrived, key=lambda m: m.delivery_id))
    connection.execute(
        f"""
        CREATE TABLE touches AS
        SELECT DISTINCT {quoted(feed)} AS feed, {arrival}::BIGINT AS arrival,
            {quoted(ids)} AS delivery_id, t.row_number, t.reach, t.first_on,
            CAST(t.last_on AS DATE) AS last_on,
            coalesce(CAST(t.org_unit_id AS VARCHAR), homes.org_unit_id, '') AS org_unit_id
        FROM ({TOUCHES[feed]}) AS t
        ASOF LEFT JOIN homes
            ON CAST(t.person_id AS VARCHAR) = homes.person_id AND t.first_on >= homes.applies_from
        WHERE t.first_on <= DATE '{horizon}' AND coalesce(t.last_on, forever()) >= t.first_on
        """
    )
    if _count(connection, "touches"):
        lake.write_parquet(
            connection,
            "SELECT * FROM touches ORDER BY ALL",
            "late", feed, f"{arrival:06d}.parquet",
        )  # fmt: skip


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(row[0]) if row else 0
