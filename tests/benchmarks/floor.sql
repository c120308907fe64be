-- The five headline KPIs of every unit, straight from the lake: what the engine needs at least.
-- One plain script, no framework. Variables: lake (folder), first and last (days, whole months).
-- Writes the table `headline`; `run_scale.py` holds it against what the project publishes.

CREATE TEMP TABLE periods AS
SELECT
    'month' AS grain,
    CAST(start AS DATE) AS period_start,
    CAST(start + INTERVAL 1 MONTH AS DATE) - 1 AS period_end
FROM generate_series(getvariable('first'), getvariable('last'), INTERVAL 1 MONTH) AS t(start)
UNION ALL
SELECT 'quarter', CAST(start AS DATE), CAST(start + INTERVAL 3 MONTH AS DATE) - 1
FROM generate_series(getvariable('first'), getvariable('last') - 80, INTERVAL 3 MONTH) AS t(start)
UNION ALL
SELECT 'week', CAST(start AS DATE), CAST(start AS DATE) + 6
FROM generate_series(
    date_trunc('week', getvariable('first') + 6), getvariable('last') - 6, INTERVAL 7 DAY
) AS t(start);

CREATE TEMP TABLE tree AS
WITH RECURSIVE up(org_unit_id, ancestor_id) AS (
    SELECT org_unit_id, org_unit_id
    FROM read_parquet(getvariable('lake') || '/versions/org_units.parquet')
    UNION ALL
    SELECT up.org_unit_id, units.parent_org_unit_id
    FROM up
    INNER JOIN read_parquet(getvariable('lake') || '/versions/org_units.parquet') AS units
        ON up.ancestor_id = units.org_unit_id
    WHERE units.parent_org_unit_id IS NOT NULL
)
SELECT * FROM up;

CREATE TEMP TABLE courses AS
SELECT course_id, is_mandatory, retired_on, valid_from, valid_to
FROM read_parquet(getvariable('lake') || '/versions/courses.parquet');

-- each person as known at the end of each period
CREATE TEMP TABLE people AS
SELECT
    periods.grain,
    periods.period_start,
    periods.period_end,
    versions.person_id,
    versions.org_unit_id,
    versions.job_role,
    CASE WHEN versions.employment_type = 'contractor' THEN 'contractor' ELSE 'employee' END
        AS employment_line,
    versions.hired_on,
    versions.role_started_on,
    versions.left_on,
    versions.leave_from,
    versions.leave_to,
    versions.leave_from IS NOT NULL
    AND least(versions.leave_to, periods.period_end)
    - greatest(versions.leave_from, periods.period_start) + 1
    > 0.5 * (periods.period_end - periods.period_start + 1) AS is_away,
    (versions.left_on IS NULL OR versions.left_on > periods.period_end)
    AND periods.period_end - versions.hired_on + 1 >= 31
    AND NOT is_away AS is_eligible
FROM periods
INNER JOIN read_parquet(getvariable('lake') || '/versions/people.parquet') AS versions
    ON
        versions.valid_from <= periods.period_end
        AND (versions.valid_to IS NULL OR versions.valid_to > periods.period_end);

-- ---- voluntary active learners: the only one that reads all the events, and reads them once
CREATE TEMP TABLE voluntary_days AS
SELECT DISTINCT events.event_day, events.person_id
FROM read_parquet(
    getvariable('lake') || '/raw/activity/*/*.parquet', hive_partitioning = true
) AS events
INNER JOIN read_csv(getvariable('verbs')) AS verbs
    ON events.verb = verbs.verb AND coalesce(events.duration_seconds, 0) >= verbs.min_seconds
WHERE
    events.event_day BETWEEN getvariable('first') AND getvariable('last')
    AND events.course_id NOT IN (SELECT course_id FROM courses WHERE is_mandatory);

CREATE TEMP TABLE learners AS
SELECT 'week' AS grain, date_trunc('week', event_day) AS period_start, person_id
FROM voluntary_days GROUP BY ALL
UNION ALL
SELECT 'month', date_trunc('month', event_day), person_id FROM voluntary_days GROUP BY ALL;

INSERT INTO learners
SELECT DISTINCT 'quarter', date_trunc('quarter', period_start), person_id
FROM learners WHERE grain = 'month';

CREATE TEMP TABLE counted AS
SELECT
    people.grain,
    people.period_start,
    'active_learner_rate' AS kpi_id,
    people.org_unit_id,
    people.employment_line,
    count(learners.person_id) AS numerator,
    count(*) AS denominator
FROM people
LEFT JOIN learners USING (grain, period_start, person_id)
WHERE people.is_eligible
GROUP BY ALL;

-- ---- mandatory learning on time
CREATE TEMP TABLE enrolments AS
WITH versions AS (
    SELECT
        *,
        max(valid_from) FILTER (status <> 'cancelled') OVER (PARTITION BY enrolment_id) AS open_from
    FROM read_parquet(getvariable('lake') || '/versions/enrolments.parquet')
)
SELECT
    enrolment_id,
    arg_max(person_id, valid_from) AS person_id,
    arg_max(course_id, valid_from) AS course_id,
    CAST(timezone('Europe/London', arg_min(due_at, valid_from) FILTER (due_at IS NOT NULL)) AS DATE)
        AS due_on,
    CAST(timezone('Europe/London', max_by(completed_at, valid_from)) AS DATE) AS completed_on,
    min(valid_from) FILTER (
        status = 'cancelled' AND (open_from IS NULL OR valid_from > open_from)
    ) AS cancelled_on
FROM versions
GROUP BY enrolment_id;

INSERT INTO counted
SELECT
    people.grain,
    people.period_start,
    'on_time_completion_rate',
    people.org_unit_id,
    people.employment_line,
    count(*) FILTER (enrolments.completed_on <= enrolments.due_on),
    count(*)
FROM enrolments
INNER JOIN periods ON enrolments.due_on BETWEEN periods.period_start AND periods.period_end
INNER JOIN people
    ON
        periods.grain = people.grain
        AND periods.period_start = people.period_start
        AND enrolments.person_id = people.person_id
INNER JOIN courses
    ON
        enrolments.course_id = courses.course_id
        AND courses.valid_from <= periods.period_end
        AND (courses.valid_to IS NULL OR courses.valid_to > periods.period_end)
        AND courses.is_mandatory
WHERE
    people.hired_on <= enrolments.due_on
    AND (people.left_on IS NULL OR people.left_on > enrolments.due_on)
    AND NOT coalesce(enrolments.due_on BETWEEN people.leave_from AND people.leave_to, false)
    AND (courses.retired_on IS NULL OR courses.retired_on >= enrolments.due_on)
    AND NOT coalesce(
        enrolments.cancelled_on <= enrolments.due_on
        AND (
            enrolments.completed_on IS NULL OR enrolments.completed_on > enrolments.cancelled_on
        ),
        false
    )
GROUP BY ALL;

-- ---- what the role requires: certificates in force, and days until the first pass
CREATE TEMP TABLE required AS
SELECT
    people.*,
    requirements.competency_id,
    CAST(requirements.grace_days AS INTEGER) AS grace_days,
    greatest(
        coalesce(people.role_started_on, people.hired_on), requirements.valid_from
    ) AS started_on
FROM people
INNER JOIN read_csv(getvariable('requirements')) AS requirements USING (job_role)
WHERE people.grain <> 'week';

CREATE TEMP TABLE certificates AS
SELECT
    person_id,
    competency_id,
    CAST(timezone('Europe/London', issued_at) AS DATE) AS issued_on,
    coalesce(CAST(timezone('Europe/London', expires_at) AS DATE), DATE '9999-12-31') AS expires_on
FROM read_parquet(getvariable('lake') || '/raw/certifications/*/*.parquet')
WHERE revoked_at IS NULL;

INSERT INTO counted
WITH held AS (
    SELECT DISTINCT required.grain, required.period_start, required.person_id,
        required.competency_id
    FROM required
    INNER JOIN certificates AS c
        ON
            required.person_id = c.person_id
            AND required.competency_id = c.competency_id
            AND c.issued_on <= required.period_end
            AND c.expires_on > required.period_end
)
SELECT
    required.grain,
    required.period_start,
    'certification_rate',
    required.org_unit_id,
    required.employment_line,
    count(held.person_id),
    count(*)
FROM required
LEFT JOIN held USING (grain, period_start, person_id, competency_id)
WHERE required.is_eligible AND required.started_on + required.grace_days <= required.period_end
GROUP BY ALL;

CREATE TEMP TABLE clocks AS
WITH running AS (
    SELECT *, least(period_end, coalesce(left_on, period_end)) AS watched_to
    FROM required
    WHERE
        started_on >= CAST(period_end + 1 - INTERVAL 12 MONTH AS DATE)
        AND started_on <= period_end
        AND (left_on IS NULL OR left_on >= started_on)
        AND employment_line = 'employee'  -- contractors have a line of their own in rates only
        AND NOT (is_away AND (left_on IS NULL OR left_on > period_end))
),

passes AS (
    SELECT person_id, competency_id, CAST(timezone('Europe/London', attempted_at) AS DATE) AS day
    FROM read_parquet(getvariable('lake') || '/raw/assessments/*/*.parquet')
    WHERE passed
)

SELECT
    running.grain,
    running.period_start,
    running.org_unit_id,
    running.employment_line,
    min(passes.day) IS NOT NULL AS has_passed,
    coalesce(min(passes.day), any_value(running.watched_to)) - any_value(running.started_on)
        AS days
FROM running
LEFT JOIN passes
    ON
        running.person_id = passes.person_id
        AND running.competency_id = passes.competency_id
        AND passes.day BETWEEN running.started_on AND running.watched_to
WHERE NOT EXISTS (
    SELECT 1 FROM certificates AS c
    WHERE
        c.person_id = running.person_id
        AND c.competency_id = running.competency_id
        AND c.issued_on < running.started_on
        AND c.expires_on > running.started_on
)
GROUP BY
    running.grain, running.period_start, running.org_unit_id, running.employment_line,
    running.person_id, running.competency_id;

CREATE TEMP TABLE survival AS
WITH ends AS (
    SELECT
        clocks.grain,
        clocks.period_start,
        tree.ancestor_id AS org_unit_id,
        clocks.employment_line,
        clocks.days,
        count(*) FILTER (clocks.has_passed) AS passed,
        count(*) AS ended
    FROM clocks
    INNER JOIN tree USING (org_unit_id)
    GROUP BY ALL
),

at_risk AS (
    SELECT
        *,
        sum(ended) OVER (
            PARTITION BY grain, period_start, org_unit_id, employment_line ORDER BY days DESC
        ) AS at_risk
    FROM ends
)

SELECT
    grain, period_start, org_unit_id, employment_line, days, passed, ended,
    round(CASE
        WHEN max(CAST(passed = at_risk AS INTEGER)) OVER curve = 1 THEN 0
        ELSE exp(sum(CASE
            WHEN passed < at_risk THEN ln(at_risk - passed) - ln(at_risk) ELSE 0
        END) OVER curve)
    END, 12) AS survival
FROM at_risk
WINDOW curve AS (
    PARTITION BY grain, period_start, org_unit_id, employment_line ORDER BY days
);

-- ---- everything up the tree, divided once at the end
CREATE TABLE headline AS
SELECT
    counted.grain,
    counted.period_start,
    counted.kpi_id,
    tree.ancestor_id AS org_unit_id,
    counted.employment_line,
    CAST(sum(counted.numerator) AS DECIMAL(18, 4)) AS numerator,
    CAST(sum(counted.denominator) AS DECIMAL(18, 4)) AS denominator,
    CAST(
        floor((2000 * sum(counted.numerator) + sum(counted.denominator))
        / (2.0 * sum(counted.denominator))) / 10 AS DECIMAL(18, 4)
    ) AS value
FROM counted
INNER JOIN tree USING (org_unit_id)
GROUP BY ALL;

INSERT INTO headline
SELECT
    grain,
    period_start,
    'time_to_competency',
    org_unit_id,
    employment_line,
    sum(passed),
    sum(ended),
    min(days) FILTER (survival <= 0.500000001)
FROM survival
GROUP BY ALL;

-- ---- business outcome against the four quarters before launch
INSERT INTO headline
WITH outcomes AS (
    SELECT org_unit_id, period_start, sum(numerator) AS above, sum(denominator) AS below
    FROM read_parquet(getvariable('lake') || '/raw/business_outcomes/*/*.parquet')
    GROUP BY ALL
),

-- a unit's own outcome, else those of the units beneath the whole
reporting AS (
    SELECT DISTINCT org_unit_id, org_unit_id AS reporter FROM outcomes
    UNION
    SELECT units.parent_org_unit_id, units.org_unit_id
    FROM read_parquet(getvariable('lake') || '/versions/org_units.parquet') AS units
    WHERE units.parent_org_unit_id NOT IN (SELECT org_unit_id FROM outcomes)
),

summed AS (
    SELECT
        reporting.org_unit_id,
        periods.period_start,
        sum(above) FILTER (outcomes.period_start = periods.period_start) AS now_above,
        sum(below) FILTER (outcomes.period_start = periods.period_start) AS now_below,
        sum(above) FILTER (outcomes.period_start < getvariable('launch')) AS then_above,
        sum(below) FILTER (outcomes.period_start < getvariable('launch')) AS then_below
    FROM periods
    CROSS JOIN reporting
    INNER JOIN outcomes ON reporting.reporter = outcomes.org_unit_id
    WHERE periods.grain = 'quarter' AND periods.period_start >= getvariable('launch')
    GROUP BY ALL
)

SELECT
    'quarter', period_start, 'performance_improvement', org_unit_id, 'employee',
    round(now_above / now_below, 4),
    round(then_above / then_below, 4),
    round(100 * (now_above / now_below - then_above / then_below) / (then_above / then_below), 1)
FROM summed;
