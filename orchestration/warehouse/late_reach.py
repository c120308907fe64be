"""What of a closed period's figures a row that reads otherwise reaches: how periods read days, and
which days a difference of each feed concerns.

The queries read ``changed``: one row a row of the feed that differs, with what was known of it and
what is now (``before``, ``after``: structs, null for none), and for a snapshot from which day until
when it says so (``day``, ``until``: exclusive, null for good); or ``sides``, the same with each of
the two that is there as ``side``. Each gives row_number, person_id, org_unit_id, reach, first_on,
last_on (null for good).
"""

from __future__ import annotations

from orchestration.settings import FeedName

FOREVER = "DATE '9999-12-31'"
_LAST_SUNDAY = "(p.period_end - CAST(isodow(p.period_end) % 7 AS INTEGER))"
REACHES = {
    # what falls in the period
    "days": "t.first_on <= p.period_end AND t.last_on >= p.period_start",
    # what stands on its last day
    "end": "t.first_on <= p.period_end AND t.last_on >= p.period_end",
    "standing": "p.grain <> 'week' AND t.first_on <= p.period_end AND t.last_on >= p.period_end",
    # the 13 whole weeks of the leadership indices
    "weeks": f"p.grain <> 'week' AND t.first_on <= {_LAST_SUNDAY} "
    f"AND t.last_on > {_LAST_SUNDAY} - 91",
    # the 12 months of clocks to competency
    "year": "p.grain <> 'week' AND t.first_on <= p.period_end "
    "AND t.last_on > p.period_end - INTERVAL 12 MONTH",
    "quarters": "p.grain = 'quarter' AND t.first_on <= p.period_end",
}
"""How a period's figures read what differs from ``first_on`` to ``last_on``. A week has no figures
of competency, certificates, leadership or outcomes."""
CANCELLED = ("cancelled", "canceled", "withdrawn", "unenrolled", "unregistered", "removed")
"""What sources call a cancelled enrolment, as the staging model reads it; a test holds both
together."""
ONLY_THEIR_DAYS: frozenset[FeedName] = frozenset({"people", "org_units", "initiatives"})
"""Snapshots that say nothing of the days before their date."""

_COUNTS_IN_PEOPLE = (
    "org_unit_id",
    "job_role",
    "leader_level",
    "employment_type",
    "hired_on",
    "role_started_on",
    "left_on",
)
_LEAVE_DIFFERS = (
    "(before.leave_from, before.leave_to) IS DISTINCT FROM (after.leave_from, after.leave_to)"
)
TOUCHES: dict[FeedName, str] = {
    "activity": """
        SELECT row_number, side.person_id, NULL AS org_unit_id, 'days' AS reach,
            local_day(side.occurred_at) AS first_on, local_day(side.occurred_at) AS last_on
        FROM sides
    """,
    "assessments": """
        SELECT row_number, side.person_id, NULL AS org_unit_id, 'year' AS reach,
            local_day(side.attempted_at) AS first_on, local_day(side.attempted_at) AS last_on
        FROM sides WHERE side.passed
    """,
    "certifications": """
        WITH valid AS (
            SELECT *, local_day(before.issued_at) AS from_before,
                local_day(after.issued_at) AS from_after,
                CASE WHEN before IS NOT NULL THEN
                    least(local_day(before.expires_at), local_day(before.revoked_at), forever())
                END AS to_before,
                CASE WHEN after IS NOT NULL THEN
                    least(local_day(after.expires_at), local_day(after.revoked_at), forever())
                END AS to_after
            FROM changed
        )
        SELECT row_number, coalesce(after.person_id, before.person_id) AS person_id,
            NULL AS org_unit_id, 'year' AS reach,
            CASE
                WHEN from_before = from_after AND before.person_id = after.person_id
                    AND before.competency_id = after.competency_id
                    THEN least(to_before, to_after)
                ELSE least(from_before, from_after)
            END AS first_on,
            greatest(to_before, to_after) - 1 AS last_on
        FROM valid
    """,
    "leader_actions": """
        SELECT row_number, side.person_id, NULL AS org_unit_id, 'weeks' AS reach,
            side.happened_on AS first_on, side.happened_on AS last_on
        FROM sides
    """,
    # of a quarter, or of the baseline of every later one
    "business_outcomes": """
        SELECT row_number, NULL AS person_id, side.org_unit_id, 'quarters' AS reach,
            side.period_start AS first_on, NULL AS last_on
        FROM sides
    """,
    # news of the log counts from the day that it tells of
    "records": """
        SELECT row_number, side.person_id, side.org_unit_id,
            CASE side.subject
                WHEN 'leader_action' THEN 'weeks' WHEN 'outcome' THEN 'quarters' ELSE 'standing'
            END AS reach,
            CASE side.subject
                WHEN 'leader_action' THEN side.happened_on
                WHEN 'outcome' THEN side.period_start
                ELSE coalesce(
                    side.closed_on, side.decided_on, side.asked_on, local_day(side.recorded_at)
                )
            END AS first_on,
            CASE WHEN side.subject = 'leader_action' THEN side.happened_on END AS last_on
        FROM sides WHERE side.subject IN ('leader_action', 'outcome', 'decision')
    """,
    "people": f"""
        WITH found AS (
            SELECT *, 'end' AS reach FROM sides
            WHERE {
        " OR ".join(f"before.{name} IS DISTINCT FROM after.{name}" for name in _COUNTS_IN_PEOPLE)
    }
            UNION ALL SELECT *, 'days' FROM sides WHERE {_LEAVE_DIFFERS}
            UNION ALL SELECT *, 'weeks' FROM sides WHERE {_LEAVE_DIFFERS}
                AND coalesce(after.leader_level, before.leader_level, 'none') <> 'none'
        )
        SELECT row_number, NULL AS person_id, side.org_unit_id, reach,
            day AS first_on, until - 1 AS last_on
        FROM found
    """,
    "org_units": """
        SELECT row_number, NULL AS person_id, org_unit_id, reach,
            day AS first_on, until - 1 AS last_on
        FROM (
            SELECT *, coalesce(after.org_unit_id, before.org_unit_id) AS org_unit_id, 'end' AS reach
            FROM changed
            WHERE before IS NULL OR after IS NULL
                OR before.parent_org_unit_id IS DISTINCT FROM after.parent_org_unit_id
            UNION ALL
            SELECT *, coalesce(after.org_unit_id, before.org_unit_id), 'weeks'
            FROM changed
            WHERE before.sponsor_person_id IS DISTINCT FROM after.sponsor_person_id
        )
    """,
    # a course that the catalogue did not know counts from its publication, or its first enrolment
    "courses": """
        SELECT row_number, NULL AS person_id, NULL AS org_unit_id, 'days' AS reach,
            CASE WHEN before IS NULL THEN least(day, after.published_on, taken.first_on)
                ELSE day END AS first_on,
            until - 1 AS last_on
        FROM changed
        LEFT JOIN (
            SELECT course_id, min(local_day(enrolled_at)) AS first_on FROM enrolments GROUP BY ALL
        ) AS taken ON after.course_id = taken.course_id
        WHERE (before.competency_id, before.is_flagship, before.is_mandatory, before.retired_on)
            IS DISTINCT FROM
            (after.competency_id, after.is_flagship, after.is_mandatory, after.retired_on)
            OR before IS NULL OR after IS NULL
    """,
    # What the newest snapshot says of a completion counts on the day of the completion. A first
    # due date stays the first, and is due on its day; overdue is what was mandatory, on every day
    # from then on; cancelled is what a snapshot no longer holds open, from its date.
    "enrolments": """
        WITH told AS (
            SELECT changed.*,
                coalesce(after.person_id, before.person_id) AS person_id,
                local_day(before.completed_at) AS done_before,
                local_day(after.completed_at) AS done_after,
                local_day(before.due_at) AS due_before,
                local_day(after.due_at) AS due_after,
                coalesce(local_day(before.due_at), local_day(after.due_at)) AS due,
                local_day(before.enrolled_at) AS enrolled_before,
                local_day(after.enrolled_at) AS enrolled_after,
                coalesce(is_cancelled(before.status), before IS NULL) AS off_before,
                coalesce(is_cancelled(after.status), after IS NULL) AS off_after,
                coalesce(courses.is_mandatory, false) AS is_mandatory,
                coalesce(courses.is_flagship, false) AND leaders.person_id IS NOT NULL AS is_example
            FROM changed
            LEFT JOIN courses ON courses.course_id = coalesce(after.course_id, before.course_id)
            LEFT JOIN leaders
                ON leaders.person_id = coalesce(after.person_id, before.person_id)
        ),
        completed AS (
            SELECT *, least(done_before, done_after) AS sooner,
                nullif(greatest(coalesce(done_before, forever()), coalesce(done_after, forever())),
                    forever()) - 1 AS later
            FROM told
            WHERE before IS NOT NULL AND after IS NOT NULL AND until IS NULL
                AND done_before IS DISTINCT FROM done_after
        ),
        anew AS (
            SELECT *, enrolled_after AS since FROM told WHERE before IS NULL
            UNION ALL
            SELECT *, least(enrolled_before, enrolled_after) FROM told
            WHERE before.person_id <> after.person_id OR before.course_id <> after.course_id
                OR (off_before AND NOT off_after AND before IS NOT NULL)
        ),
        found AS (
            SELECT row_number, person_id, 'days' AS reach, done_before AS first_on,
                done_before AS last_on FROM completed
            UNION ALL SELECT row_number, person_id, 'days', done_after, done_after FROM completed
            UNION ALL SELECT row_number, person_id, 'days', due, due FROM completed
                WHERE sooner <= due
            UNION ALL SELECT row_number, person_id, 'end', greatest(sooner, due), later
                FROM completed WHERE is_mandatory AND due IS NOT NULL
            UNION ALL SELECT row_number, person_id, 'standing', sooner, later
                FROM completed WHERE is_example

            UNION ALL SELECT row_number, person_id, 'days', due_after, due_after FROM anew
            UNION ALL SELECT row_number, person_id, 'days', done_after, done_after FROM anew
            UNION ALL SELECT row_number, person_id, 'end', since, until - 1
                FROM anew WHERE is_mandatory
            UNION ALL SELECT row_number, person_id, 'standing', done_after, NULL
                FROM anew WHERE is_example

            -- first due since then; or, of a snapshot between two others, perhaps due earlier
            UNION ALL SELECT row_number, person_id, 'days', due_after, due_after FROM told
                WHERE before IS NOT NULL AND due_after IS NOT NULL AND (
                    due_before IS NULL OR (until IS NOT NULL AND due_before <> due_after)
                )
            UNION ALL SELECT row_number, person_id, 'end', least(due_before, due_after), until - 1
                FROM told
                WHERE before IS NOT NULL AND is_mandatory AND due_after IS NOT NULL AND (
                    due_before IS NULL OR (until IS NOT NULL AND due_before <> due_after)
                )
            -- shorter notice
            UNION ALL SELECT row_number, person_id, 'days', due, due FROM told
                WHERE enrolled_after < enrolled_before
            UNION ALL SELECT row_number, person_id, 'end', enrolled_after, enrolled_before - 1
                FROM told WHERE enrolled_after < enrolled_before AND is_mandatory

            UNION ALL SELECT row_number, person_id, 'days', due, due FROM told
                WHERE off_after AND NOT off_before AND due >= day
            UNION ALL SELECT row_number, person_id, 'end', day, until - 1 FROM told
                WHERE off_after AND NOT off_before AND is_mandatory
        )
        SELECT row_number, person_id, NULL AS org_unit_id, reach, first_on, last_on FROM found
    """,
    "initiatives": """
        SELECT row_number, NULL AS person_id, side.org_unit_id, 'end' AS reach,
            day AS first_on, until - 1 AS last_on
        FROM sides WHERE lower(trim(side.kind)) = 'process_change'
    """,
    "decisions": """
        SELECT row_number, NULL AS person_id, coalesce(after.org_unit_id, before.org_unit_id)
            AS org_unit_id, 'standing' AS reach,
            CASE
                WHEN after.closed_on IS DISTINCT FROM before.closed_on
                    THEN least(after.closed_on, before.closed_on)
                WHEN after.decided_on IS DISTINCT FROM before.decided_on
                    THEN least(after.decided_on, before.decided_on)
                WHEN before IS NULL THEN least(after.asked_on, day)
                ELSE day
            END AS first_on,
            NULL AS last_on
        FROM changed
    """,
}
