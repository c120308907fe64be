"""What of a closed period's figures a row that reads otherwise reaches: how periods read days, and
which days a difference of each feed concerns.

The queries read ``changed``: one row a row of the feed that differs, with what was known of it and
what is now (``before``, ``after``: structs, null for none); of a snapshot ``placed``, which also
tells from which day until when it says so (``day``, ``until``: exclusive, null for good) and where
that stands among the versions of the row; or ``sides``, the same with each of the two that is there
as ``side``. Each gives row_number, person_id, org_unit_id, reach, first_on, last_on (null: for
good).

A reach may be too wide and never too short: a period that is built again for nothing costs a
minute, one that is not tells a wrong number. So whatever reads one day and cannot be told exactly
without its whole history reaches every later period: actions of leaders (how long a sponsor has
been silent), sponsors (since when they are), people and courses that a snapshot no longer has,
mandatory learning that warnings are about, the flagship courses of leaders.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.settings import FeedName

FOREVER = "DATE '9999-12-31'"
REACHES = {
    # what falls in the period
    "days": "t.first_on <= p.period_end AND t.last_on >= p.period_start",
    # what stands on its last day
    "end": "t.first_on <= p.period_end AND t.last_on >= p.period_end",
    # the same in what the stand-up of the week reads only
    "stand_up": "p.grain = 'week' AND t.first_on <= p.period_end AND t.last_on >= p.period_end",
    "rises": "p.grain = 'week' AND t.first_on <= p.period_end AND t.last_on >= p.period_start",
    # what begins then
    "starts": "p.period_start BETWEEN t.first_on AND t.last_on",
    "standing": "p.grain <> 'week' AND t.first_on <= p.period_end AND t.last_on >= p.period_end",
    # the 12 months of clocks to competency, and of the courses that a review may stop
    "year": "p.grain <> 'week' AND t.first_on <= p.period_end "
    "AND t.last_on > p.period_end - INTERVAL 12 MONTH",
    "quarters": "p.grain = 'quarter' AND t.first_on <= p.period_end",
}
"""How a period's tables read what differs from ``first_on`` to ``last_on``. A week has none of
competency, certificates or outcomes."""
LAPSING_DAYS = 60
"""How far ahead lapses of certificates are counted; a test holds it and the model together."""
CANCELLED = ("cancelled", "canceled", "withdrawn", "unenrolled", "unregistered", "removed")
"""What sources call a cancelled enrolment, as the staging model reads it; a test holds both
together."""
ONLY_THEIR_DAYS: frozenset[FeedName] = frozenset({"people", "org_units", "initiatives"})
"""Snapshots that say nothing of the days before their date."""

_COUNTS_IN_PEOPLE = (
    "manager_id",
    "org_unit_id",
    "job_role",
    "leader_level",
    "employment_type",
    "hired_on",
    "role_started_on",
    "left_on",
)
_COUNTS_IN_COURSES = (
    "competency_id",
    "is_flagship",
    "is_mandatory",
    "owner_person_id",
    "published_on",
    "review_due_on",
    "retired_on",
    "duration_minutes",
)


def _differs(columns: Sequence[str]) -> str:
    """Whether any of some columns of a row differs, presence included."""
    return "(before IS NULL OR after IS NULL OR " + (
        " OR ".join(f"before.{name} IS DISTINCT FROM after.{name}" for name in columns) + ")"
    )


TOUCHES: dict[FeedName, str] = {
    # beside its own day: what lay still without it, a week's enrolments and a review's courses
    "activity": """
        SELECT row_number, side.person_id, NULL AS org_unit_id, 'days' AS reach,
            local_day(side.occurred_at) AS first_on, local_day(side.occurred_at) AS last_on
        FROM sides
        UNION ALL
        SELECT row_number, side.person_id, NULL, 'stand_up', local_day(side.occurred_at),
            local_day(side.occurred_at) + stalled_after() - 1
        FROM sides
        SEMI JOIN enrolments ON enrolments.person_id = side.person_id
            AND enrolments.course_id = side.course_id
        UNION ALL
        SELECT row_number, side.person_id, NULL, 'standing', local_day(side.occurred_at),
            local_day(side.occurred_at) + unused_after() - 1
        FROM sides SEMI JOIN courses ON courses.course_id = side.course_id
    """,
    "assessments": """
        SELECT row_number, side.person_id, NULL AS org_unit_id, 'year' AS reach,
            local_day(side.attempted_at) AS first_on, local_day(side.attempted_at) AS last_on
        FROM sides WHERE side.passed
    """,
    "certifications": f"""
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
                    -- before it ends it is one of those that lapse soon
                    THEN least(to_before, to_after) - {LAPSING_DAYS}
                ELSE least(from_before, from_after)
            END AS first_on,
            greatest(to_before, to_after) - 1 AS last_on
        FROM valid
    """,
    "leader_actions": """
        SELECT row_number, side.person_id, NULL AS org_unit_id, 'end' AS reach,
            least(side.happened_on, said.happened_on) AS first_on, NULL AS last_on
        FROM sides LEFT JOIN said ON said.entry_id = side.action_id
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
            CASE side.subject WHEN 'outcome' THEN 'quarters' ELSE 'end' END AS reach,
            CASE side.subject
                WHEN 'leader_action' THEN least(side.happened_on, said.happened_on)
                WHEN 'outcome' THEN least(side.period_start, said.period_start)
                ELSE coalesce(
                    side.closed_on, side.decided_on, side.asked_on, local_day(side.recorded_at)
                )
            END AS first_on,
            NULL AS last_on
        FROM sides LEFT JOIN said ON said.entry_id = side.entry_id
        WHERE side.subject IN ('leader_action', 'outcome', 'decision')
    """,
    # who left is still read as last known; a message asks who led when it was issued
    "people": f"""
        WITH counting AS (
            SELECT * FROM sides WHERE {_differs(_COUNTS_IN_PEOPLE)}
        ),
        leave AS (
            SELECT * FROM sides WHERE {_differs(("leave_from", "leave_to"))}
        ),
        found AS (
            SELECT row_number, side, 'end' AS reach, day AS first_on,
                CASE WHEN NOT is_gone THEN until - 1 END AS last_on
            FROM counting
            UNION ALL SELECT row_number, side, 'days', day, until FROM counting WHERE is_gone
            UNION ALL SELECT row_number, side, 'days', messages.issued_on,
                CAST(greatest(
                    messages.issued_on + INTERVAL 14 MONTH, messages.expires_on
                ) AS DATE)
            FROM counting INNER JOIN messages
                ON messages.issued_on < coalesce(until, forever())
                AND (messages.issued_on >= day OR is_first)
            UNION ALL SELECT row_number, side, 'days', day, until - 1 FROM leave
            UNION ALL SELECT row_number, side, 'end', day, NULL FROM leave
            SEMI JOIN leaders ON leaders.person_id = side.person_id
        )
        SELECT row_number, NULL AS person_id, side.org_unit_id, reach, first_on, last_on
        FROM found
    """,
    "org_units": """
        SELECT row_number, NULL AS person_id,
            coalesce(after.org_unit_id, before.org_unit_id) AS org_unit_id, 'end' AS reach,
            day AS first_on,
            CASE
                WHEN before.sponsor_person_id IS NOT DISTINCT FROM after.sponsor_person_id
                    THEN until - 1
            END AS last_on
        FROM placed
        WHERE before IS NULL OR after IS NULL
            OR before.parent_org_unit_id IS DISTINCT FROM after.parent_org_unit_id
            OR before.sponsor_person_id IS DISTINCT FROM after.sponsor_person_id
    """,
    # The first version of a course stands for the time before it too: of a course that the
    # catalogue did not know from its publication, or the first that anybody did in it.
    "courses": f"""
        SELECT row_number, NULL AS person_id, NULL AS org_unit_id, 'days' AS reach,
            CASE
                WHEN NOT is_first THEN day
                WHEN before IS NULL AND is_last THEN least(
                    day, after.published_on, after.review_due_on, learned.first_on
                )
                ELSE DATE '0001-01-01'
            END AS first_on,
            CASE
                WHEN NOT is_gone AND NOT (is_first AND (before IS NULL OR after IS NULL))
                    THEN until - 1
            END AS last_on
        FROM placed
        LEFT JOIN learned ON after.course_id = learned.course_id
        WHERE {_differs(_COUNTS_IN_COURSES)}
    """,
    # Of an enrolment, what its last version says of a completion counts on the day of the
    # completion, unless the person completed the course otherwise before. The first due date stays
    # the first, and is due on its day; overdue is what was mandatory, on every day from then on;
    # cancelled is what no later version holds open; what lies still is listed each week.
    "enrolments": """
        WITH known AS (
            SELECT enrolment_id, min(local_day(enrolled_at)) AS first_enrolled,
                min_by(local_day(due_at), valid_from) FILTER (WHERE due_at IS NOT NULL)
                    AS first_due,
                min(valid_from) FILTER (WHERE due_at IS NOT NULL) AS due_from,
                max_by(completed_at, valid_from, 1)[1] AS completed_at,
                max_by(person_id, valid_from) AS person_id,
                max_by(course_id, valid_from) AS course_id
            FROM enrolments GROUP BY enrolment_id
        ),
        stated AS (
            SELECT *, coalesce(after, before) AS said, coalesce(before, prior) AS was,
                coalesce(after, prior) AS is_now
            FROM placed
        ),
        told AS (
            SELECT stated.*,
                local_day(was.completed_at) AS done_before,
                local_day(is_now.completed_at) AS done_after,
                local_day(before.due_at) AS due_before,
                local_day(after.due_at) AS due_after,
                coalesce(known.first_due, local_day(before.due_at)) AS due,
                local_day(before.enrolled_at) AS enrolled_before,
                local_day(after.enrolled_at) AS enrolled_after,
                known.first_enrolled,
                coalesce(is_cancelled(before.status), before IS NULL) AS off_before,
                coalesce(is_cancelled(after.status), after IS NULL) AS off_after,
                -- nothing before tells when it is due
                coalesce(known.due_from >= day, true)
                    AND due_before IS DISTINCT FROM due_after AS is_due_anew,
                -- shorter notice, or a longer one after all
                enrolled_after < enrolled_before OR enrolled_before < first_enrolled
                    AS has_other_notice,
                is_last AND was.started_at IS DISTINCT FROM is_now.started_at
                    AS starts_otherwise,
                coalesce(courses.is_mandatory, false) AS is_mandatory,
                coalesce(courses.is_warned_of, false) AS is_warned_of,
                coalesce(courses.is_flagship, false) AND leaders.person_id IS NOT NULL AS is_example
            FROM stated
            LEFT JOIN known ON known.enrolment_id = said.enrolment_id
            LEFT JOIN courses ON courses.course_id = said.course_id
            LEFT JOIN (SELECT DISTINCT person_id FROM leaders) AS leaders
                ON leaders.person_id = said.person_id
        ),
        completed AS (
            SELECT *, least(done_before, done_after) AS sooner,
                greatest(done_before, done_after) AS latest,
                nullif(greatest(coalesce(done_before, forever()), coalesce(done_after, forever())),
                    forever()) - 1 AS later
            FROM told WHERE is_last AND done_before IS DISTINCT FROM done_after
        ),
        -- it was not known, is known no more, is another's, or was off and is not
        anew AS (
            SELECT *,
                least(enrolled_before, enrolled_after, done_before, done_after,
                    CASE WHEN enrolled_before IS NULL AND enrolled_after IS NULL THEN day END)
                    AS since
            FROM told
            WHERE was IS NULL OR is_now IS NULL OR was.person_id <> is_now.person_id
                OR was.course_id IS DISTINCT FROM is_now.course_id
                OR (off_before AND NOT off_after)
        ),
        firsts AS (
            SELECT person_id, course_id, min(local_day(completed_at), 2) AS days
            FROM known WHERE completed_at IS NOT NULL GROUP BY ALL
        ),
        done AS (
            SELECT row_number, said, is_mandatory, sooner, latest FROM completed
            WHERE sooner IS NOT NULL
            UNION ALL
            SELECT row_number, said, is_mandatory, least(done_before, done_after),
                greatest(done_before, done_after)
            FROM anew WHERE coalesce(done_before, done_after) IS NOT NULL
        ),
        days_of_courses AS (
            SELECT course_id, days[1] AS day FROM firsts
        ),
        weeks_of_courses AS (
            SELECT DISTINCT course_id, CAST(date_trunc('week', day) AS DATE) AS week
            FROM days_of_courses
        ),
        openings AS (
            SELECT course_id, min(day, 2) AS days FROM days_of_courses GROUP BY course_id
        ),
        found AS (
            SELECT row_number, 'days' AS reach, done_before AS first_on,
                done_before AS last_on FROM completed
            UNION ALL SELECT row_number, 'days', done_after, done_after FROM completed
            UNION ALL SELECT row_number, 'days', due, due FROM completed
                WHERE sooner <= due
            UNION ALL SELECT row_number, 'end', sooner, later
                FROM completed WHERE is_mandatory
            UNION ALL SELECT row_number, 'stand_up', sooner, later FROM completed
            UNION ALL SELECT row_number, 'standing', sooner, NULL
                FROM completed WHERE is_example

            -- of several completions of one course by one person, the first counts
            UNION ALL SELECT row_number, 'days', day, day
                FROM (
                    SELECT done.row_number, done.sooner, unnest(firsts.days) AS day
                    FROM done
                    INNER JOIN firsts ON firsts.person_id = done.said.person_id
                        AND firsts.course_id = done.said.course_id
                )
                WHERE day >= sooner
            -- the twelve weeks that a rise is told from, and the first completion of a course
            UNION ALL SELECT DISTINCT done.row_number, 'rises', weeks.week, weeks.week
                FROM done
                INNER JOIN openings ON openings.course_id = done.said.course_id
                INNER JOIN weeks_of_courses AS weeks ON weeks.course_id = done.said.course_id
                    AND weeks.week > done.sooner - 7
                    AND weeks.week <= 91 + CASE
                        WHEN openings.days[1] < done.sooner THEN done.latest
                        WHEN len(openings.days) = 2 THEN greatest(done.latest, openings.days[2])
                        ELSE forever() - 91
                    END

            UNION ALL SELECT row_number, 'days', due_before, due_before FROM anew
            UNION ALL SELECT row_number, 'days', due_after, due_after FROM anew
            UNION ALL SELECT row_number, 'days', due, due FROM anew
            UNION ALL SELECT row_number, 'days', done_before, done_before FROM anew
            UNION ALL SELECT row_number, 'days', done_after, done_after FROM anew
            UNION ALL SELECT row_number, 'end', since, until - 1
                FROM anew WHERE is_mandatory
            UNION ALL SELECT row_number, 'stand_up', since, until - 1 FROM anew
            UNION ALL SELECT row_number, 'standing', least(done_before, done_after), NULL
                FROM anew WHERE is_example

            -- due for the first time
            UNION ALL SELECT row_number, 'days', unnest([due_before, due_after, due]),
                    unnest([due_before, due_after, due])
                FROM told WHERE is_due_anew
            UNION ALL SELECT row_number, 'end', least(due_before, due_after, due), NULL
                FROM told
                WHERE is_due_anew AND is_mandatory
            UNION ALL SELECT row_number, 'days', due, due FROM told WHERE has_other_notice
            UNION ALL SELECT row_number,
                    CASE WHEN is_mandatory THEN 'end' ELSE 'stand_up' END,
                    least(enrolled_after, enrolled_before),
                    greatest(enrolled_before, first_enrolled) + stalled_after()
                FROM told WHERE has_other_notice

            UNION ALL SELECT row_number, 'days', due, due FROM told
                WHERE off_after AND NOT off_before AND due >= day
            UNION ALL SELECT row_number, 'end', day, until - 1 FROM told
                WHERE off_after AND NOT off_before AND is_mandatory

            -- whether anything still goes on in it
            UNION ALL SELECT row_number, 'stand_up', day, until - 1 FROM told
                WHERE before.status IS DISTINCT FROM after.status
            UNION ALL SELECT row_number, 'stand_up',
                    least(local_day(was.started_at), local_day(is_now.started_at)), NULL
                FROM told WHERE starts_otherwise
            -- how those ended who took the course
            UNION ALL SELECT row_number, 'year', sooner, latest
                FROM done INNER JOIN told USING (row_number)
            UNION ALL SELECT row_number, 'year', day, NULL
                FROM told WHERE before.status IS DISTINCT FROM after.status
            UNION ALL SELECT row_number, 'year',
                    least(local_day(was.started_at), local_day(is_now.started_at)), NULL
                FROM told
                WHERE starts_otherwise
                    AND (off_after OR is_cancelled(is_now.status) OR until IS NOT NULL)

            -- since when a warning has held
            UNION ALL SELECT row_number, 'end', sooner, NULL
                FROM completed WHERE is_warned_of AND sooner < due
            UNION ALL SELECT row_number, 'end', since, NULL FROM anew WHERE is_warned_of
            UNION ALL SELECT row_number, 'end', day, NULL
                FROM told WHERE is_warned_of AND off_before <> off_after
            UNION ALL SELECT row_number, 'end',
                    least(due_before, due_after, due) - 30, NULL
                FROM told
                WHERE is_warned_of AND is_due_anew
        )
        SELECT found.row_number, told.said.person_id, NULL AS org_unit_id, reach,
            first_on, last_on
        FROM found INNER JOIN told USING (row_number)
    """,
    "initiatives": """
        SELECT row_number, NULL AS person_id, side.org_unit_id, 'end' AS reach,
            day AS first_on, until - 1 AS last_on
        FROM sides
    """,
    "decisions": """
        SELECT row_number, NULL AS person_id, coalesce(after.org_unit_id, before.org_unit_id)
            AS org_unit_id, 'end' AS reach,
            least(
                day,
                -- news of it counts from the day that the version which brings it tells of
                CASE WHEN prior.closed_on IS NULL THEN least(after.closed_on, before.closed_on) END,
                CASE WHEN prior.decided_on IS NULL
                    THEN least(after.decided_on, before.decided_on) END,
                CASE WHEN after.closed_on IS DISTINCT FROM before.closed_on
                    THEN least(after.closed_on, before.closed_on) END,
                CASE WHEN after.decided_on IS DISTINCT FROM before.decided_on
                    THEN least(after.decided_on, before.decided_on) END,
                CASE WHEN is_first THEN least(after.asked_on, before.asked_on) END
            ) AS first_on,
            NULL AS last_on
        FROM placed
    """,
}
"""Of each feed, which periods a row of it that reads otherwise reaches."""

_FROM_THE_FIRST = """
    SELECT 0 AS row_number, NULL AS person_id, NULL AS org_unit_id,
        'days' AS reach, DATE '0001-01-01' AS first_on, CAST(NULL AS DATE) AS last_on
    FROM covered WHERE first_before IS NULL
"""
# the last whole week that the records cover: later periods read no further
_SUNDAY = "({day} - CAST(isodow({day}) % 7 AS INTEGER))"
_RECORDED = """
    SELECT 0 AS row_number, NULL AS person_id, NULL AS org_unit_id, 'end' AS reach,
        first_now AS first_on, CAST(NULL AS DATE) AS last_on
    FROM covered WHERE first_before IS NULL OR first_now < first_before
"""
COVERAGE: dict[FeedName, str] = {
    "activity": f"""
        {_FROM_THE_FIRST}
        UNION ALL SELECT 0, NULL, NULL, 'starts', last_before + 1, last_now
        FROM covered WHERE last_now > last_before
        UNION ALL SELECT 0, NULL, NULL, 'standing', first_now + unused_after(),
            first_before + unused_after()
        FROM covered WHERE first_now < first_before
    """,
    "enrolments": _FROM_THE_FIRST,
    "assessments": _FROM_THE_FIRST,
    "certifications": _FROM_THE_FIRST,
    "records": _RECORDED,
    "leader_actions": f"""
        {_RECORDED}
        UNION ALL SELECT 0, NULL, NULL, 'end',
            least({_SUNDAY.format(day="newest_before")}, {_SUNDAY.format(day="newest_now")}) + 7,
            NULL
        FROM covered
        WHERE {_SUNDAY.format(day="newest_before")} <> {_SUNDAY.format(day="newest_now")}
    """,
}
"""Of the feeds whose silence pages tell apart from a nought: which periods are told otherwise now
that a delivery covers more days, whatever its rows say."""
