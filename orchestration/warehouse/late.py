"""Late data: which closed periods what arrived since touches, and in which units.

Every publication of a feed has a number (its arrival), and figures keep the newest that their
close knew. What each later arrival changed is noted once: the rows that differ from what was in
force before it, and the days for which they do. A row of activity counts on its day; a snapshot
delivered late, up to the next one; a snapshot of today touches the past only where it tells of it,
such as a completion of last month; a delivery also ends the time for which nothing was delivered.
What concerns no closed day is not kept, so a delivery in time costs one look.

``late/<feed>/<arrival>.parquet`` holds one row a changed row and reach; it names units, nobody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
from filelock import FileLock

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, last_arrival, manifests, raw_partition
from orchestration.lake import Lake, identifier, quoted
from orchestration.periods import Grain, Period
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.charter import charter_rows
from orchestration.warehouse.late_reach import (
    CANCELLED,
    COVERAGE,
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
    promoted = _promoted(lake, feed)
    pending = sorted({m.arrival for m in promoted if noted[feed] < m.arrival <= newest})
    for arrival in pending:
        before = _in_force_at(promoted, arrival - 1)
        now = _in_force_at(promoted, arrival)
        arrived = [m for m in now.values() if m.arrival == arrival]
        with lake.connect() as connection:
            _prepare(settings, lake, connection)
            is_event = CONTRACT[feed].kind == "events"
            find = _find_changed_events if is_event else _find_changed_rows
            changed = find(settings, lake, connection, feed, before, now, arrived, horizon)
            if changed and not is_event:
                _place(lake, connection, feed)
            if changed and feed in ("leader_actions", "records"):
                _lay_said(lake, connection, now, feed)
            if changed and feed == "courses":
                _lay_learned(lake, connection)
            _lay_covered(connection, before, now)
            _write_touches(lake, connection, feed, arrival, arrived, horizon, changed)
        lake.write_json({**noted, feed: arrival}, *_NOTED)


def _promoted(lake: Lake, feed: FeedName) -> list[DeliveryManifest]:
    return [m for m in manifests(lake, feed) if m.verdict == "promoted"]


def _in_force_at(
    promoted: Sequence[DeliveryManifest], arrival: int | None = None
) -> dict[date, DeliveryManifest]:
    """Of each date, the delivery that was in force once this arrival (the newest) was published."""
    ordered = sorted(promoted, key=lambda m: m.delivery_id)
    return {m.delivery_date: m for m in ordered if arrival is None or m.arrival <= arrival}


def _prepare(settings: Settings, lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    """The macros and relations that the queries of touches read."""
    zone = quoted(settings.organisation.time_zone)

    def versions(feed: FeedName) -> str:
        return _versions(lake, feed)

    charter = charter_rows(settings)

    def listed(seed: str, column: str, **where: str) -> str:
        rows = [row for _, row in charter[seed] if where.items() <= row.items()]
        values = ", ".join(sorted({f"({quoted(row[column])})" for row in rows if row[column]}))
        return f"VALUES {values}" if values else "SELECT '' WHERE false"

    def longest(rule: str) -> int:
        values = [row["value"] for _, row in charter["review_rules"] if row["rule"] == rule]
        return max((math.ceil(Decimal(value)) for value in values), default=0)

    messages = " UNION ALL ".join(
        f"SELECT DATE '{row['issued_on']}' AS issued_on, DATE '{row['expires_on']}' AS expires_on"
        for _, row in charter["messages"]
    )
    for statement in (
        f"CREATE MACRO local_day(moment) AS CAST(moment AT TIME ZONE {zone} AS DATE)",
        f"CREATE MACRO forever() AS {FOREVER}",
        "CREATE MACRO is_cancelled(status) AS lower(trim(status)) IN "
        f"({', '.join(quoted(status) for status in CANCELLED)})",
        f"CREATE MACRO stalled_after() AS {longest('stalled_after_days')}",
        f"CREATE MACRO unused_after() AS {longest('unused_after_days')}",
        "CREATE VIEW messages AS "
        + (messages or "SELECT NULL::DATE AS issued_on, NULL::DATE AS expires_on WHERE false"),
        f"CREATE VIEW enrolments AS SELECT * FROM {versions('enrolments')}",
        "CREATE VIEW courses AS SELECT course_id, bool_or(is_mandatory) AS is_mandatory, "
        "bool_or(is_flagship) OR course_id IN "
        f"({listed('programme_courses', 'course_id', kind='flagship')}) AS is_flagship, "
        "bool_or(is_mandatory) AND (max(duration_minutes) > 0 OR max(published_on) IS NOT NULL) "
        f"AS is_warned_of FROM {versions('courses')} GROUP BY course_id",
        "CREATE VIEW leaders AS SELECT person_id FROM "
        f"{versions('people')} WHERE lower(trim(leader_level)) <> 'none' "
        f"UNION SELECT sponsor_person_id FROM {versions('org_units')} "
        f"UNION ({listed('governance_roles', 'person_id')})",
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
    key = _key(feed)
    happened = identifier(contract.event_time or "")
    timed = contract.column(contract.event_time or "").sql_type == "TIMESTAMPTZ"
    day = f"local_day({happened})" if timed else happened
    # elsewhere a row of today may take the place of one that told of the past
    late = f"{day} <= DATE '{horizon}'" if feed == "activity" else "true"
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
        if changes:
            _lay_change_set(lake, connection, feed, before.get(day), manifest)
            first = identifier(CONTRACT[feed].key[0])
            until = (
                f"(SELECT min(v.valid_from) FROM {_versions(lake, feed)} AS v "
                f"WHERE v.{first} = coalesce(after.{first}, before.{first}) "
                f"AND v.valid_from > DATE '{day}')"
            )
        else:
            spoke = max((d for d in before if d <= day), default=None)
            standing = [] if spoke is None else [before[spoke]]
            for name, deliveries in (("is", [manifest]), ("was", standing)):
                connection.execute(
                    f"CREATE OR REPLACE TABLE {name}_known AS {_contract(lake, feed, deliveries)}"
                )
        _compare(connection, feed, f"DATE '{day}'", until, append=found)
        found = True
    return found and bool(_count(connection, "changed"))


def _lay_change_set(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    feed: FeedName,
    replaced: DeliveryManifest | None,
    manifest: DeliveryManifest,
) -> None:
    """What stood, and stands, of every row that a change set or the one it corrects names.

    A set says nothing of what it does not name: what the sets before it said holds on.
    """
    key = _key(feed)
    columns = ", ".join(identifier(name) for name in CONTRACT[feed].column_names)
    sets = {"was": [] if replaced is None else [replaced], "is": [manifest]}
    for name, deliveries in sets.items():
        connection.execute(
            f"CREATE OR REPLACE TABLE {name}_said AS {_contract(lake, feed, deliveries)}"
        )
    connection.execute(
        f"CREATE OR REPLACE TABLE held_before AS SELECT {columns} FROM {_versions(lake, feed)} "
        f"SEMI JOIN (SELECT {key} FROM was_said UNION SELECT {key} FROM is_said) USING ({key}) "
        f"WHERE valid_from < DATE '{manifest.delivery_date}' "
        f"QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY valid_from DESC) = 1"
    )
    for name in sets:
        connection.execute(
            f"CREATE OR REPLACE TABLE {name}_known AS SELECT {columns} FROM {name}_said UNION ALL "
            f"SELECT {columns} FROM held_before ANTI JOIN {name}_said USING ({key})"
        )


def _place(lake: Lake, connection: duckdb.DuckDBPyConnection, feed: FeedName) -> None:
    """Tell of each changed row where among the versions of its key it stands.

    ``prior`` is the version before it, ``is_first`` that there is none, ``is_last`` that none comes
    after it, ``is_gone`` that the next snapshot no longer has the key.
    """
    key = identifier(CONTRACT[feed].key[0])
    row = ", ".join(f"{identifier(n)} := v.{identifier(n)}" for n in CONTRACT[feed].column_names)
    connection.execute(
        f"""
        CREATE TABLE placed AS
        SELECT changed.*, found.* EXCLUDE (row_number)
        FROM changed
        INNER JOIN (
            SELECT c.row_number,
                max_by(struct_pack({row}), v.valid_from) FILTER (WHERE v.valid_from < c.day)
                    AS prior,
                NOT coalesce(bool_or(v.valid_from < c.day), false) AS is_first,
                NOT coalesce(bool_or(v.valid_from >= c.until), false) AS is_last,
                any_value(c.until) IS NOT NULL AND NOT coalesce(bool_or(
                    v.valid_from <= c.until AND coalesce(v.valid_to, forever()) > c.until
                ), false) AS is_gone
            FROM (
                SELECT row_number, day, until, coalesce(after.{key}, before.{key}) AS key
                FROM changed
            ) AS c
            LEFT JOIN {_versions(lake, feed)} AS v ON v.{key} = c.key
            GROUP BY c.row_number
        ) AS found USING (row_number)
        """
    )


def _lay_said(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    now: Mapping[date, DeliveryManifest],
    feed: FeedName,
) -> None:
    """Of each action and entry, the first day that anything in force says of it: what takes one
    back need not name its day again."""
    feeds: tuple[FeedName, FeedName] = ("leader_actions", "records")
    told, said = (now if each == feed else _in_force_at(_promoted(lake, each)) for each in feeds)
    connection.execute(
        f"""
        CREATE TABLE said AS
        SELECT entry_id, min(happened_on) AS happened_on, min(period_start) AS period_start
        FROM (
            SELECT action_id AS entry_id, happened_on, NULL::DATE AS period_start
            FROM ({_files(lake, "leader_actions", told)})
            UNION ALL SELECT entry_id, happened_on, period_start
            FROM ({_files(lake, "records", said)})
        )
        GROUP BY entry_id
        """
    )


def _lay_learned(lake: Lake, connection: duckdb.DuckDBPyConnection) -> None:
    """The first day on which anybody did something in each course that the catalogue had not."""
    new = "SELECT after.course_id FROM placed WHERE before IS NULL AND is_first"
    found = connection.execute(f"SELECT count(*) FROM ({new})").fetchone()
    reads: dict[FeedName, str] = {"activity": "occurred_at", "assessments": "attempted_at"}
    parts = [
        "SELECT course_id, local_day(least(enrolled_at, started_at, due_at, completed_at)) AS day "
        "FROM enrolments"
    ]
    if found and found[0]:  # the whole of activity, for a course or two in a year
        for feed, moment in reads.items():
            standing = _in_force_at(_promoted(lake, feed))
            rows = _files(lake, feed, standing)
            parts.append(f"SELECT course_id, local_day({moment}) AS day FROM ({rows})")
    connection.execute(
        "CREATE TABLE learned AS SELECT course_id, min(day) AS first_on FROM ("
        f"{' UNION ALL '.join(parts)}) WHERE course_id IN ({new}) GROUP BY course_id"
    )


def _lay_covered(
    connection: duckdb.DuckDBPyConnection,
    before: Mapping[date, DeliveryManifest],
    now: Mapping[date, DeliveryManifest],
) -> None:
    """From when to when a feed was delivered, before the arrival and since."""
    connection.execute(
        "CREATE TABLE covered (first_before DATE, first_now DATE, last_before DATE, last_now DATE, "
        "newest_before DATE, newest_now DATE)"
    )
    ends = [
        pick((read(m) for m in deliveries.values()), default=None)
        for pick, read in ((min, _day_of), (max, _day_of), (max, _newest_of))
        for deliveries in (before, now)
    ]
    connection.execute("INSERT INTO covered VALUES (?, ?, ?, ?, ?, ?)", ends)


def _day_of(manifest: DeliveryManifest) -> date:
    return manifest.delivery_date


def _newest_of(manifest: DeliveryManifest) -> date:
    """The last day that a delivery of events speaks for."""
    eve = manifest.delivery_date - timedelta(1)
    return max(eve, manifest.newest_on or eve)


def _key(feed: FeedName) -> str:
    return ", ".join(identifier(name) for name in CONTRACT[feed].key)


def _versions(lake: Lake, feed: FeedName) -> str:
    return f"read_parquet({quoted(lake.path('versions', f'{feed}.parquet'))})"


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
    changed: bool,
) -> None:
    """Keep what concerns closed days; a person counts in the unit of that day."""
    found = [COVERAGE[feed]] if feed in COVERAGE else []
    if changed:
        source = "changed" if CONTRACT[feed].kind == "events" else "placed"
        connection.execute(
            "CREATE VIEW sides AS SELECT * FROM (SELECT *, unnest([before, after]) AS side "
            f"FROM {source}) WHERE side IS NOT NULL"
        )
        found.append(TOUCHES[feed])
    if not found:
        return
    reaches = " UNION ALL ".join(f"SELECT * FROM ({query})" for query in found)
    ids = ", ".join(m.delivery_id for m in sorted(arrived, key=lambda m: m.delivery_id))
    connection.execute(
        f"""
        CREATE TABLE touches AS
        SELECT DISTINCT {quoted(feed)} AS feed, {arrival}::BIGINT AS arrival,
            {quoted(ids)} AS delivery_id, t.row_number, t.reach, t.first_on,
            CAST(t.last_on AS DATE) AS last_on,
            coalesce(CAST(t.org_unit_id AS VARCHAR), homes.org_unit_id, '') AS org_unit_id
        FROM ({reaches}) AS t
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
