"""A lake of any size with years of history, written by DuckDB in seconds a million rows.

Rows are functions of their number (``hash``), so that the same size gives the same rows. Files,
manifests and indexes are laid as landing and publication lay them: one delivery of each feed a
month, events as one file a local day, sorted as landing sorts. Snapshots are folded by the
project's own fold. Landing itself is measured on deliveries of its own (``deliver_activity``).
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import duckdb

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveryManifest,
    delivery_id,
    initialise,
    raw_partition,
    rewrite_in_force,
    save_manifest,
)
from orchestration.lake import Lake, quoted
from orchestration.periods import Grain, Period, periods_between
from orchestration.settings import FeedName, Settings

CHARTER = "own-charter"
COMPETENCIES = 10
ROLES = 20
_METRIC = "productivity_index"
_VERBS = (
    "http://adlnet.gov/expapi/verbs/completed",
    "http://adlnet.gov/expapi/verbs/progressed",
    "http://id.tincanapi.com/verb/viewed",
    "https://w3id.org/xapi/video/verbs/played",
    "http://adlnet.gov/expapi/verbs/launched",  # these two do not count as learning
    "https://w3id.org/xapi/adl/verbs/logged-in",
)
_A_SESSION = 4
"""Events that one person makes in a row."""
_DRAW = (
    "CREATE MACRO draw(row_number, purpose, below) AS "
    "(hash(row_number, purpose) % CAST(below AS UBIGINT))::BIGINT"
)
"""What the queries call: a whole number below ``below``, drawn for row and purpose."""


@dataclass(frozen=True)
class Size:
    """How large the organisation is and how long it has been watched.

    Attributes:
        rows: activity rows over all months.
        fan_out: units beneath each unit; 2 makes 1,000 units ten levels deep.
        first: first day of the first month, the start of a quarter.
    """

    rows: int
    people: int
    months: int = 36
    units: int = 100
    fan_out: int = 10
    courses: int = 60
    first: date = date(2023, 10, 1)

    @cached_property
    def calendar(self) -> list[Period]:
        """The months of history, in order."""
        first = Period.containing(Grain.MONTH, self.first)
        return list(periods_between(Grain.MONTH, first.start, first.shift(self.months - 1).start))

    @property
    def launch_on(self) -> date:
        """Start of the programme: outcomes of the four quarters before it are the baseline."""
        return Period.containing(Grain.MONTH, self.first).shift(12).start


def write_organisation(home: Path, size: Size, *, memory_limit: str = "6GB") -> Path:
    """Settings file and charter of the organisation; returns the settings file."""
    feeds = "\n".join(
        f'[feeds.{feed}]\nfiles = {{ {feed} = "{feed}_{{date}}.csv" }}\n'
        + ('delivery = "changes"\n' if feed == "enrolments" else "")
        for feed in CONTRACT
        if feed not in ("initiatives", "decisions", "records")
    )
    home.mkdir(parents=True, exist_ok=True)
    file = home / "adoption.toml"
    file.write_text(
        f"""
[organisation]
name = "Benchmark"
time_zone = "Europe/London"
history_from = {size.first}

[paths]
home = "{home}"
charter = "{home / CHARTER}"

[landing]
settle_seconds = 0

[delivery]
allowed_domains = ["example.org"]

[duckdb]
memory_limit = "{memory_limit}"

{feeds}"""
    )
    long_ago = "2000-01-01"
    charter: Mapping[str, Sequence[Sequence[object]]] = {
        "programme": [
            (
                "org_unit_id",
                "launch_on",
                "outcome_metric",
                "outcome_lag_quarters",
                "core_sentence",
                "valid_from",
                "town_hall_on",
                "first_review_on",
            ),
            ("*", size.launch_on, _METRIC, 0, "Learn.", long_ago, "", ""),
        ],
        "role_requirements": [
            ("job_role", "org_unit_id", "competency_id", "grace_days", "valid_from", "valid_to"),
            *(
                (f"Role {role}", "*", f"K{(role + step) % COMPETENCIES}", 90, long_ago, "")
                for role in range(ROLES)
                for step in (0, 3)
            ),
        ],
        "governance_roles": [
            ("role", "org_unit_id", "person_id", "deputy_person_id", "valid_from", "valid_to"),
            *(
                (role, "*", f"P{number:07}", f"P{number + 4:07}", long_ago, "")
                for number, role in enumerate(("executive_sponsor", "ld_head", "program_lead"))
            ),
        ],
        "licences": [
            ("licence_id", "seats", "cost_per_seat", "period_start", "period_end"),
            ("seats", size.people, 20, size.first, size.calendar[-1].shift(3).end),
        ],
    }
    (home / CHARTER).mkdir(exist_ok=True)
    for name, lines in charter.items():
        with (home / CHARTER / f"{name}.csv").open("w", newline="") as handle:
            csv.writer(handle).writerows(lines)
    return file


class LongLake:
    """Writes an organisation's deliveries into its lake, month by month."""

    def __init__(self, settings: Settings, size: Size) -> None:
        self._size = size
        self._lake = Lake(settings.lake_url, settings.duckdb)
        initialise(self._lake)

    def write(self, months: Sequence[Period]) -> None:
        """Lay these months' deliveries and put them in force; the first month's with the state
        before it."""
        with self._lake.connect() as connection:
            connection.execute(_DRAW)
            for month in months:
                if month.start == self._size.first:
                    self._snapshots(connection, 0, month.start - timedelta(days=1))
                self._snapshots(connection, self._number(month), month.end)
                self._events(connection, month)
                self._activity(connection, month)
        for feed in CONTRACT:
            rewrite_in_force(self._lake, feed)

    def deliver_people(self, day: date) -> None:
        """Put the snapshot of one more day in force."""
        with self._lake.connect() as connection:
            connection.execute(_DRAW)
            number = self._number(Period.containing(Grain.MONTH, day))
            self._deliver(connection, "people", day, self._people(number, day))
        rewrite_in_force(self._lake, "people")

    def _number(self, month: Period) -> int:
        """1 for the first month."""
        first = self._size.first
        return 1 + (month.start.year - first.year) * 12 + month.start.month - first.month

    # -- snapshots ---------------------------------------------------------------------------

    def _snapshots(self, connection: duckdb.DuckDBPyConnection, number: int, day: date) -> None:
        self._deliver(connection, "people", day, self._people(number, day))
        self._deliver(connection, "org_units", day, self._org_units())
        self._deliver(connection, "courses", day, self._courses(day))
        self._deliver(connection, "enrolments", day, self._enrolments(number, day))

    def _people(self, number: int, day: date) -> str:
        """A third comes within the history; some leave; three in five move to another unit."""
        size, first = self._size, self._size.first
        span = size.months * 30
        return f"""
            WITH drawn AS (
                SELECT
                    p,
                    CASE
                        WHEN draw(p, 'new', 3) > 0
                            THEN DATE '{first}' - 40 - CAST(draw(p, 'hired', 2000) AS INTEGER)
                        ELSE DATE '{first}' + CAST(draw(p, 'hired', {span}) AS INTEGER)
                    END AS hired_on,
                    CASE WHEN draw(p, 'leaves', 8) = 0
                        THEN DATE '{first}' + CAST(draw(p, 'left', {2 * span}) AS INTEGER)
                    END AS leaves_on,
                    CASE WHEN draw(p, 'away', 20) = 0
                        THEN DATE '{first}' + CAST(draw(p, 'leave', {span}) AS INTEGER)
                    END AS leave_from,
                    20 + CAST(draw(p, 'length', 180) AS INTEGER) AS leave_days,
                    ({number} + p % 60) // 60 AS moves,
                    60 - p % 60 AS moved_in
                FROM range({size.people}) AS t(p)
            )
            SELECT
                printf('P%07d', p) AS person_id,
                'Person ' || p AS full_name,
                printf('p%07d@example.org', p) AS email,
                CASE
                    WHEN p = 0 THEN NULL
                    WHEN p % 10 = 0 THEN printf('P%07d', p // 100 * 100 % p)
                    ELSE printf('P%07d', p // 10 * 10)
                END AS manager_id,
                printf('U%04d', draw(p, 'unit ' || moves, {size.units})) AS org_unit_id,
                'Role ' || draw(p, 'role ' || moves, {ROLES}) AS job_role,
                CASE
                    WHEN p < 8 THEN 'elt'
                    WHEN p < 8 + {size.units} THEN 'senior'
                    WHEN p % 10 = 0 THEN 'manager'
                    ELSE 'none'
                END AS leader_level,
                CASE WHEN draw(p, 'contract', 10) = 0 THEN 'contractor' ELSE 'permanent' END
                    AS employment_type,
                'Site ' || p % 12 AS location,
                hired_on,
                CASE
                    WHEN moves > 0
                        THEN CAST(DATE '{first}' + to_months(CAST(moved_in - 1 AS INTEGER)) AS DATE)
                END AS role_started_on,
                CASE WHEN leaves_on > hired_on AND leaves_on <= DATE '{day}' THEN leaves_on END
                    AS left_on,
                CASE WHEN leave_from <= DATE '{day}' THEN leave_from END AS leave_from,
                CASE WHEN leave_from <= DATE '{day}' THEN leave_from + leave_days END AS leave_to
            FROM drawn
            WHERE hired_on <= DATE '{day}'
        """

    def _org_units(self) -> str:
        size = self._size
        return f"""
            SELECT
                printf('U%04d', u) AS org_unit_id,
                'Unit ' || u AS name,
                CASE WHEN u > 0 THEN printf('U%04d', (u - 1) // {size.fan_out}) END
                    AS parent_org_unit_id,
                printf('P%07d', (8 + u) % {size.people}) AS sponsor_person_id
            FROM range({size.units}) AS t(u)
        """

    def _courses(self, day: date) -> str:
        """One in four is mandatory; one in twenty is retired at the launch of the programme."""
        size = self._size
        return f"""
            SELECT
                printf('C%05d', c) AS course_id,
                'Course ' || c AS title,
                'Category ' || c % 7 AS category,
                'K' || c % {COMPETENCIES} AS competency_id,
                c % 20 = 1 AS is_flagship,
                c % 4 = 0 AS is_mandatory,
                printf('P%07d', c % {size.people}) AS owner_person_id,
                printf('P%07d', c % {size.people}) AS approved_by_person_id,
                DATE '{size.first}' - 800 AS published_on,
                DATE '{size.first}' + 700 AS review_due_on,
                CASE
                    WHEN c % 20 = 7 AND DATE '{size.launch_on}' <= DATE '{day}'
                        THEN DATE '{size.launch_on}'
                END AS retired_on,
                CAST(30 + c % 5 * 15 AS INTEGER) AS duration_minutes
            FROM range({size.courses}) AS t(c)
        """

    def _enrolments(self, number: int, day: date) -> str:
        """What changed in the month: who was enrolled in it, and who completed in it."""
        size = self._size
        a_month = max(size.people // 3, 1)
        start = f"DATE '{Period.containing(Grain.MONTH, day).start}'"
        return f"""
            WITH drawn AS (
                SELECT
                    e,
                    draw(e, 'course', {size.courses}) AS course,
                    CAST(
                        DATE '{size.first}' + to_months(CAST(e // {a_month} AS INTEGER)) AS DATE
                    ) + CAST(draw(e, 'day', 28) AS INTEGER) AS enrolled_on,
                    10 + CAST(draw(e, 'due', 50) AS INTEGER) AS days_to_due,
                    CAST(draw(e, 'done', 90) AS INTEGER) AS days_to_done
                FROM range(
                    greatest({number - 4} * {a_month}, 0), {number} * {a_month}
                ) AS t(e)
            ),

            dated AS (
                SELECT
                    *,
                    CASE WHEN days_to_done < 70 THEN enrolled_on + days_to_done END AS completed_on
                FROM drawn
            )

            SELECT
                printf('E%09d', e) AS enrolment_id,
                printf('P%07d', draw(e, 'person', {size.people})) AS person_id,
                printf('C%05d', course) AS course_id,
                CAST(enrolled_on AS TIMESTAMP) + INTERVAL 9 HOUR AS enrolled_at,
                CASE
                    WHEN course % 4 = 0 OR e % 10 > 0
                        THEN CAST(enrolled_on + days_to_due AS TIMESTAMP) + INTERVAL 12 HOUR
                END AS due_at,
                NULL AS started_at,
                CASE
                    WHEN completed_on <= DATE '{day}'
                        THEN CAST(completed_on AS TIMESTAMP) + INTERVAL 15 HOUR
                END AS completed_at,
                CASE
                    WHEN completed_on <= DATE '{day}' THEN 'completed'
                    WHEN draw(e, 'cancelled', 40) = 0 AND enrolled_on < {start} THEN 'cancelled'
                    ELSE 'enrolled'
                END AS status,
                NULL AS score
            FROM dated
            WHERE
                enrolled_on >= {start}
                OR completed_on BETWEEN {start} AND DATE '{day}'
                OR (draw(e, 'cancelled', 40) = 0 AND completed_on IS NULL)
        """

    # -- events ------------------------------------------------------------------------------

    def _events(self, connection: duckdb.DuckDBPyConnection, month: Period) -> None:
        size, day = self._size, month.end + timedelta(days=1)
        number = self._number(month)

        def at(rows: str) -> str:
            """A moment of the month, for each of the month's numbered rows."""
            return (
                f"CAST(DATE '{month.start}' + CAST(draw(n, 'day', 28) AS INTEGER) AS TIMESTAMP) "
                f"+ INTERVAL 10 HOUR AS {rows}"
            )

        def numbers(a_month: int) -> str:
            return f"range({(number - 1) * a_month}, {number * a_month}) AS t(n)"

        self._deliver(
            connection,
            "assessments",
            day,
            f"""
            SELECT
                printf('T%09d', n) AS attempt_id,
                printf('P%07d', draw(n, 'tested', {size.people})) AS person_id,
                'K' || draw(n, 'tested in', {COMPETENCIES}) AS competency_id,
                NULL AS course_id,
                {at("attempted_at")},
                50 + draw(n, 'score', 50) AS score,
                draw(n, 'passed', 10) < 7 AS passed
            FROM {numbers(max(size.people // 3, 1))}
            """,
            newest_on=month.end,
        )
        self._deliver(
            connection,
            "certifications",
            day,
            f"""
            WITH issued AS (
                SELECT
                    n,
                    draw(n, 'certified', {size.people}) AS p,
                    draw(n, 'in', {COMPETENCIES}) AS k,
                    {at("issued_at")}
                FROM {numbers(max(size.people // 3, 1))}
            )

            SELECT
                printf('Z%09d', n) AS certification_id,
                printf('P%07d', p) AS person_id,
                'K' || k AS competency_id,
                issued_at,
                issued_at + INTERVAL 400 DAY AS expires_at,
                NULL AS revoked_at
            FROM issued
            """,
            newest_on=month.end,
        )
        self._deliver(
            connection,
            "leader_actions",
            day,
            f"""
            SELECT
                printf('A%09d', n) AS action_id,
                printf('P%07d', (8 + n % {size.units}) % {size.people}) AS person_id,
                CASE WHEN n % 3 = 0 THEN 'email' ELSE 'town_hall' END AS kind,
                printf('U%04d', n % {size.units}) AS audience_org_unit_id,
                NULL AS message_id,
                DATE '{month.start}' + CAST(draw(n, 'acted', 28) AS INTEGER) AS happened_on
            FROM {numbers(2 * size.units)}
            """,
            newest_on=month.end,
        )
        if month.end == Period.containing(Grain.QUARTER, month.end).end:
            quarter = Period.containing(Grain.QUARTER, month.end).start
            self._deliver(
                connection,
                "business_outcomes",
                day,
                f"""
                SELECT
                    printf('U%04d', u) AS org_unit_id,
                    '{_METRIC}' AS metric,
                    DATE '{quarter}' AS period_start,
                    900 + draw(u, 'outcome {quarter}', 200) AS numerator,
                    10 AS denominator,
                    'index' AS unit,
                    'up' AS direction
                FROM range(1, {size.units}) AS t(u)
                """,
                newest_on=quarter,
            )

    def activity_sql(self, month: Period) -> str:
        """The month's events: every ``_A_SESSION`` of them one person's session of one day."""
        size, number = self._size, self._number(month)
        a_month = size.rows // size.months
        days = (month.end - month.start).days + 1
        verbs = ", ".join(quoted(verb) for verb in _VERBS)
        return f"""
            WITH numbered AS (
                SELECT
                    i,
                    i // {_A_SESSION} AS s,
                    DATE '{month.start}'
                    + CAST((i - {(number - 1) * a_month}) * {days} // {max(a_month, 1)} AS INTEGER)
                        AS event_day
                FROM range({(number - 1) * a_month}, {number * a_month}) AS t(i)
            )

            SELECT
                printf('V%011d', i) AS event_id,
                -- some learn much more than others
                printf('P%07d', CAST(floor(
                    {size.people} * pow(draw(s, 'person', 1000000) / 1000000.0, 1.6)
                ) AS BIGINT)) AS person_id,
                printf('C%05d', draw(s, 'course', {size.courses})) AS course_id,
                ([{verbs}])[draw(i, 'verb', {len(_VERBS)}) + 1] AS verb,
                CAST(event_day AS TIMESTAMP) + INTERVAL 6 HOUR + to_seconds(
                    draw(s, 'time', 50000) + i % {_A_SESSION} * 300
                ) AS occurred_at,
                CASE WHEN draw(i, 'timed', 5) > 0 THEN draw(i, 'seconds', 600) END
                    AS duration_seconds,
                event_day
            FROM numbered
        """

    def _activity(self, connection: duckdb.DuckDBPyConnection, month: Period) -> None:
        columns = ", ".join(self._typed("activity"))
        day = month.end + timedelta(days=1)
        name = delivery_id(day, 1)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE month AS SELECT {columns}, event_day "
            f"FROM ({self.activity_sql(month)})"
        )
        days = connection.execute(
            "SELECT event_day, count(*) FROM month GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for event_day, _ in days:
            self._lake.write_parquet(
                connection,
                f"SELECT * EXCLUDE (event_day), {quoted(name)} AS delivery_id FROM month "
                f"WHERE event_day = DATE '{event_day}' "
                "ORDER BY person_id, occurred_at, event_id",
                "raw",
                "activity",
                raw_partition(CONTRACT["activity"], event_day.isoformat()),
                f"{name}.parquet",
            )
        rows = sum(count for _, count in days)
        self._manifest("activity", day, rows, month.end, [event_day for event_day, _ in days])

    # -- deliveries --------------------------------------------------------------------------

    def _typed(self, feed: FeedName) -> list[str]:
        return [f"CAST({c.name} AS {c.sql_type}) AS {c.name}" for c in CONTRACT[feed].columns]

    def _deliver(
        self,
        connection: duckdb.DuckDBPyConnection,
        feed: FeedName,
        day: date,
        query: str,
        newest_on: date | None = None,
    ) -> None:
        contract, name = CONTRACT[feed], delivery_id(day, 1)
        columns = ", ".join(self._typed(feed))
        place = ("raw", feed, raw_partition(contract, day.isoformat()), f"{name}.parquet")
        self._lake.write_parquet(
            connection,
            f"SELECT {columns}, {quoted(name)} AS delivery_id FROM ({query}) "
            f"ORDER BY {', '.join(contract.key)}",
            *place,
        )
        found = connection.execute(
            f"SELECT num_rows FROM parquet_file_metadata({quoted(self._lake.path(*place))})"
        ).fetchone()
        self._manifest(feed, day, int(found[0]) if found else 0, newest_on or day)

    def _manifest(
        self, feed: FeedName, day: date, rows: int, newest_on: date, days: Sequence[date] = ()
    ) -> None:
        save_manifest(
            self._lake,
            DeliveryManifest(
                feed=feed,
                delivery_id=delivery_id(day, 1),
                delivery_date=day,
                sequence=1,
                files=[],
                content_hash=hashlib.sha256(f"{feed} {day} {self._size}".encode()).hexdigest(),
                rows_in=rows,
                rows_accepted=rows,
                event_days=list(days),
                newest_on=newest_on,
                verdict="promoted",
                landed_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
                arrival=1,
            ),
        )

    def deliver_activity(
        self, landing: Path, month: Period, file_format: Literal["csv", "parquet"]
    ) -> Path:
        """Write the month's events as one file in the landing folder, as an LMS would."""
        landing.mkdir(parents=True, exist_ok=True)
        file = landing / f"activity_{month.end + timedelta(days=1)}.{file_format}"
        with self._lake.connect() as connection:
            connection.execute(
                "CREATE MACRO draw(row_number, purpose, below) AS "
                "(hash(row_number, purpose) % CAST(below AS UBIGINT))::BIGINT"
            )
            columns = ", ".join(
                f"strftime({c.name}, '%Y-%m-%dT%H:%M:%SZ') AS {c.name}"
                if c.name == "occurred_at" and file_format == "csv"
                else c.name
                for c in CONTRACT["activity"].columns
            )
            options = "HEADER" if file_format == "csv" else "COMPRESSION zstd"
            connection.execute(
                f"COPY (SELECT {columns} FROM ({self.activity_sql(month)})) "
                f"TO {quoted(str(file))} (FORMAT {file_format}, {options})"
            )
        return file
