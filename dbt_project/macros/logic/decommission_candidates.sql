{# Courses that a review may stop, and why: nobody learns in them, most who take them fail, or their
   review is overdue. A course whose retirement is set already is no candidate. #}
{% macro decommission_candidates(grain) -%}
with

unused_after as (
    {{ review_rule(grain, 'unused_after_days') }}
),

failing_under as (
    {{ review_rule(grain, 'failing_percent') }}
),

least_attempts as (
    {{ review_rule(grain, 'failing_least_attempts') }}
),

first_known as (
    select
        courses.course_id,
        min(courses.valid_from) as known_from
    from {{ ref('stg_lake__courses') }} as courses
    group by courses.course_id
),

offered as (
    select
        periods.period_start,
        periods.period_end,
        courses.course_id,
        courses.title,
        courses.is_mandatory,
        courses.owner_person_id,
        courses.review_due_on,
        coalesce(courses.published_on, first_known.known_from) as published_on
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ of_grain('int_courses', grain) }} as courses
        on periods.period_start = courses.period_start
    inner join first_known on courses.course_id = first_known.course_id
    where courses.retired_on is null
),

-- without deliveries over the whole time nobody can say that a course lay idle
recorded as (
    select min(deliveries.delivery_date) as first_on
    from {{ ref('stg_lake__deliveries') }} as deliveries
    where deliveries.feed = 'activity'
),

learned as (
    select
        facts.course_id,
        facts.person_id,
        facts.event_day as learned_on
    from {{ ref('fct_course_day') }} as facts
    where
        facts.learning_events > 0
        and facts.event_day >= {{ first_day_of_rule(grain, 'unused_after_days') }}
    union all
    select
        enrolments.course_id,
        enrolments.person_id,
        enrolments.completed_on as learned_on
    from {{ of_grain('int_enrolments', grain) }} as enrolments
    where enrolments.completed_on >= {{ first_day_of_rule(grain, 'unused_after_days') }}
),

-- a day speaks for the periods that end before the person's next one: so each person counts once
days_of_learning as (
    select
        learned.course_id,
        learned.learned_on,
        lead(learned.learned_on) over (
            partition by learned.course_id, learned.person_id order by learned.learned_on
        ) as next_on
    from learned
),

active as (
    select
        unused_after.period_start,
        days.course_id,
        count(*) as people
    from unused_after
    inner join days_of_learning as days
        on
            days.learned_on > {{ add_days('unused_after.period_end', '-unused_after.value') }}
            and days.learned_on <= unused_after.period_end
            and (days.next_on is null or days.next_on > unused_after.period_end)
    group by unused_after.period_start, days.course_id
),

failed as (
    select
        versions.enrolment_id,
        min(versions.valid_from) as failed_on
    from {{ ref('stg_lake__enrolments') }} as versions
    where versions.status = 'failed'
    group by versions.enrolment_id
),

-- one that was cancelled before it began says nothing about the course
ended as (
    select
        enrolments.enrolment_id,
        enrolments.course_id,
        case when enrolments.completed_on is not null then 1 else 0 end as is_completed,
        coalesce(
            enrolments.completed_on,
            failed.failed_on,
            case when enrolments.started_on is not null then enrolments.cancelled_on end
        ) as ended_on
    from {{ of_grain('int_enrolments', grain) }} as enrolments
    left join failed on enrolments.enrolment_id = failed.enrolment_id
),

attempts as (
    select
        offered.period_start,
        offered.course_id,
        count(*) as ended,
        sum(ended.is_completed) as completed
    from offered
    inner join ended
        on
            offered.course_id = ended.course_id
            and ended.ended_on
            > {{ add_days(add_months(add_days('offered.period_end', 1), -12), -1) }}
            and ended.ended_on <= offered.period_end
    group by offered.period_start, offered.course_id
),

judged as (
    select
        offered.*,
        coalesce(active.people, 0) as active_people,
        coalesce(attempts.ended, 0) as ended_12m,
        coalesce(attempts.completed, 0) as completed_12m,
        case
            when
                coalesce(active.people, 0) = 0
                and offered.published_on
                < {{ add_days('offered.period_end', '-unused_after.value') }}
                and recorded.first_on
                <= {{ add_days('offered.period_end', '-unused_after.value') }}
                then 'unused|'
            else ''
        end as unused,
        case
            when
                attempts.ended >= least_attempts.value
                and 100 * attempts.completed < failing_under.value * attempts.ended
                then 'failing|'
            else ''
        end as failing,
        case when offered.review_due_on < offered.period_end then 'past_review|' else '' end
            as past_review
    from offered
    cross join recorded
    left join unused_after on offered.period_start = unused_after.period_start
    left join failing_under on offered.period_start = failing_under.period_start
    left join least_attempts on offered.period_start = least_attempts.period_start
    left join active
        on
            offered.period_start = active.period_start
            and offered.course_id = active.course_id
    left join attempts
        on
            offered.period_start = attempts.period_start
            and offered.course_id = attempts.course_id
),

reasoned as (
    select
        judged.*,
        concat(judged.unused, judged.failing, judged.past_review) as reasons
    from judged
)

select
    period_start,
    course_id,
    title,
    is_mandatory,
    owner_person_id,
    review_due_on,
    cast(active_people as bigint) as active_people,
    cast(ended_12m as bigint) as ended_12m,
    cast(completed_12m as bigint) as completed_12m,
    substr(reasons, 1, length(reasons) - 1) as reasons,
    case when is_mandatory then 'decommission_mandatory' else 'decommission_elective' end
        as right_id
from reasoned
where reasons <> ''
{%- endmacro %}
