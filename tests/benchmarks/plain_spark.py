"""Three of the headline KPIs on Spark, on this machine's cores, as a plain script would have it.

For comparison only, with the figures that ``plain_pandas.py`` works out too. The Python of
``.venv-spark`` runs it: ``plain_spark.py LAKE CHARTER FIRST LAST MEMORY FILE`` writes the counts.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import SparkSession

ZONE = "Europe/London"


def session(memory: str) -> SparkSession:
    """Spark in this process, with all cores."""
    return (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", memory)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "8")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def counts(spark: SparkSession, lake: Path, charter: Path, first: str, last: str) -> str:
    """A query: numerator and denominator of every unit, period and line, from the lake's files."""
    for table, files in {
        "versions": "versions/people.parquet",
        "units": "versions/org_units.parquet",
        "courses": "versions/courses.parquet",
        "enrolment_versions": "versions/enrolments.parquet",
        "events": "raw/activity",
        "issued": "raw/certifications",
    }.items():
        spark.read.parquet(str(lake / files)).createOrReplaceTempView(table)
    for table in ("learning_verbs", "role_requirements"):
        read = spark.read.csv(str(charter / f"{table}.csv"), header=True, inferSchema=True)
        read.createOrReplaceTempView(table)
    units = spark.table("units").select("org_unit_id", "parent_org_unit_id").collect()
    above = {unit.org_unit_id: unit.parent_org_unit_id for unit in units}
    spark.createDataFrame(
        [(unit, ancestor) for unit in above for ancestor in _line(above, unit)],
        "org_unit_id string, ancestor_id string",
    ).createOrReplaceTempView("tree")
    week, month, quarter = (
        f"SELECT '{grain}' AS grain, start AS period_start, {end} AS period_end FROM (SELECT "
        f"explode(sequence({since}, {until}, INTERVAL {step})) AS start) WHERE {end} <= '{last}'"
        for grain, since, until, step, end in (
            (
                "week",
                f"next_day(date_sub('{first}', 1), 'MO')",
                f"DATE '{last}'",
                "7 DAY",
                "date_add(start, 6)",
            ),
            ("month", f"DATE '{first}'", f"DATE '{last}'", "1 MONTH", "last_day(start)"),
            (
                "quarter",
                f"DATE '{first}'",
                f"DATE '{last}'",
                "3 MONTH",
                "last_day(add_months(start, 2))",
            ),
        )
    )
    spark.sql(f"{week} UNION ALL {month} UNION ALL {quarter}").createOrReplaceTempView("periods")
    for table, query in _TABLES.items():
        spark.sql(query.replace("$FIRST", first).replace("$LAST", last)).createOrReplaceTempView(
            table
        )
    spark.sql("CACHE TABLE people")
    return """
        SELECT grain, period_start, kpi_id, ancestor_id AS org_unit_id, employment_line,
            sum(numerator) AS numerator, sum(denominator) AS denominator
        FROM (TABLE active UNION ALL TABLE on_time UNION ALL TABLE certified)
        JOIN tree USING (org_unit_id)
        GROUP BY ALL
    """


def _line(above: dict[str, str | None], unit: str | None) -> list[str]:
    """A unit and every unit above it."""
    return [] if unit is None else [unit, *_line(above, above[unit])]


_TABLES = {
    "people": """
        SELECT p.grain, p.period_start, p.period_end, v.person_id, v.org_unit_id, v.job_role,
            CASE WHEN v.employment_type = 'contractor' THEN 'contractor' ELSE 'employee' END
                AS employment_line,
            v.hired_on, v.role_started_on, v.left_on, v.leave_from, v.leave_to,
            (v.left_on IS NULL OR v.left_on > p.period_end)
            AND datediff(p.period_end, v.hired_on) + 1 >= 31
            AND NOT coalesce(v.leave_from IS NOT NULL AND
                datediff(least(v.leave_to, p.period_end), greatest(v.leave_from, p.period_start))
                + 1 > 0.5 * (datediff(p.period_end, p.period_start) + 1), false
            ) AS is_eligible
        FROM periods AS p
        JOIN versions AS v ON v.valid_from <= p.period_end
            AND (v.valid_to IS NULL OR v.valid_to > p.period_end)
    """,
    "voluntary_days": """
        SELECT DISTINCT event_day, person_id
        FROM events JOIN learning_verbs AS verbs
            ON events.verb = verbs.verb AND coalesce(duration_seconds, 0) >= min_seconds
        WHERE event_day BETWEEN '$FIRST' AND '$LAST'
            AND course_id NOT IN (SELECT course_id FROM courses WHERE is_mandatory)
    """,
    "learners": """
        SELECT 'week' AS grain, CAST(date_trunc('week', event_day) AS DATE) AS period_start,
            person_id FROM voluntary_days GROUP BY ALL
        UNION ALL
        SELECT 'month', CAST(trunc(event_day, 'month') AS DATE), person_id
            FROM voluntary_days GROUP BY ALL
        UNION ALL
        SELECT 'quarter', CAST(trunc(event_day, 'quarter') AS DATE), person_id
            FROM voluntary_days GROUP BY ALL
    """,
    "active": """
        SELECT people.grain, people.period_start, 'active_learner_rate' AS kpi_id,
            people.org_unit_id, people.employment_line,
            count(learners.person_id) AS numerator, count(*) AS denominator
        FROM people LEFT JOIN learners USING (grain, period_start, person_id)
        WHERE people.is_eligible
        GROUP BY ALL
    """,
    "enrolments": f"""
        SELECT max_by(person_id, valid_from) AS person_id, max_by(course_id, valid_from)
                AS course_id,
            to_date(from_utc_timestamp(
                min_by(due_at, valid_from) FILTER (WHERE due_at IS NOT NULL), '{ZONE}'
            )) AS due_on,
            to_date(from_utc_timestamp(
                max_by(completed_at, valid_from) FILTER (WHERE completed_at IS NOT NULL), '{ZONE}'
            )) AS completed_on,
            min(valid_from) FILTER (
                WHERE status = 'cancelled' AND (open_from IS NULL OR valid_from > open_from)
            ) AS cancelled_on
        FROM (
            SELECT *, max(CASE WHEN status <> 'cancelled' THEN valid_from END)
                OVER (PARTITION BY enrolment_id) AS open_from
            FROM enrolment_versions
        )
        GROUP BY enrolment_id
    """,
    "on_time": """
        SELECT people.grain, people.period_start, 'on_time_completion_rate' AS kpi_id,
            people.org_unit_id, people.employment_line,
            count_if(e.completed_on <= e.due_on) AS numerator, count(*) AS denominator
        FROM enrolments AS e
        JOIN people ON people.person_id = e.person_id
            AND e.due_on BETWEEN people.period_start AND people.period_end
        JOIN courses AS c ON c.course_id = e.course_id AND c.is_mandatory
            AND c.valid_from <= people.period_end
            AND (c.valid_to IS NULL OR c.valid_to > people.period_end)
        WHERE people.hired_on <= e.due_on
            AND (people.left_on IS NULL OR people.left_on > e.due_on)
            AND NOT coalesce(e.due_on BETWEEN people.leave_from AND people.leave_to, false)
            AND (c.retired_on IS NULL OR c.retired_on >= e.due_on)
            AND NOT coalesce(
                e.cancelled_on <= e.due_on
                AND (e.completed_on IS NULL OR e.completed_on > e.cancelled_on), false
            )
        GROUP BY ALL
    """,
    "certified": f"""
        SELECT required.grain, required.period_start, 'certification_rate' AS kpi_id,
            required.org_unit_id, required.employment_line,
            count(held.person_id) AS numerator, count(*) AS denominator
        FROM (
            SELECT people.*, r.competency_id
            FROM people JOIN role_requirements AS r USING (job_role)
            WHERE people.grain <> 'week' AND people.is_eligible
                AND date_add(
                    greatest(coalesce(people.role_started_on, people.hired_on), r.valid_from),
                    CAST(r.grace_days AS INT)
                ) <= people.period_end
        ) AS required
        LEFT JOIN (
            SELECT DISTINCT periods.grain, periods.period_start, i.person_id, i.competency_id
            FROM periods JOIN issued AS i
                ON to_date(from_utc_timestamp(i.issued_at, '{ZONE}')) <= periods.period_end
                AND coalesce(
                    to_date(from_utc_timestamp(i.expires_at, '{ZONE}')), DATE '9999-12-31'
                ) > periods.period_end
            WHERE i.revoked_at IS NULL AND periods.grain <> 'week'
        ) AS held USING (grain, period_start, person_id, competency_id)
        GROUP BY ALL
    """,
}


if __name__ == "__main__":
    lake, charter, first, last, memory, file = sys.argv[1:]
    spark = session(memory)
    found = spark.sql(counts(spark, Path(lake), Path(charter), first, last))
    pq.write_table(found.toArrow(), file)
    gateway = spark.sparkContext._gateway
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()  # so that its CPU time counts as this process's
