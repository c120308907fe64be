{# People with an open enrolment in which nothing has happened for so many days, by course and by
   every unit they belong to. Mandatory learning past its first due date is overdue, which is counted
   elsewhere, and does not stall as well. #}
{% macro stalled_enrolments(grain) -%}
with

rules as (
    {{ review_rule(grain, 'stalled_after_days') }}
),

-- what the enrolment was at the period's end, whatever came later
standing as (
    select
        rules.period_start,
        rules.period_end,
        {{ add_days('rules.period_end', '-rules.value') }} as quiet_since,
        enrolments.enrolment_id,
        enrolments.person_id,
        enrolments.course_id,
        enrolments.enrolled_on,
        enrolments.first_due_on,
        enrolments.started_on
    from rules
    inner join {{ ref('int_enrolments') }} as enrolments
        on
            enrolments.enrolled_on <= {{ add_days('rules.period_end', '-rules.value') }}
            and (
                enrolments.completed_on is null
                or enrolments.completed_on > rules.period_end
            )
            and (
                enrolments.cancelled_on is null
                or enrolments.cancelled_on > rules.period_end
            )
    left join {{ ref('stg_lake__enrolments') }} as versions
        on
            enrolments.enrolment_id = versions.enrolment_id
            and {{ holds_on('versions', 'rules.period_end') }}
    where
        coalesce(versions.status, 'open') not in (
            'failed', 'fail', 'completed', 'complete', 'passed'
        )
),

open_pairs as (
    select distinct
        standing.person_id,
        standing.course_id
    from standing
),

active as (
    select distinct
        rules.period_start,
        activity.person_id,
        activity.course_id
    from {{ ref('fct_course_day') }} as activity
    inner join open_pairs
        on activity.person_id = open_pairs.person_id and activity.course_id = open_pairs.course_id
    inner join rules
        on
            activity.event_day > {{ add_days('rules.period_end', '-rules.value') }}
            and activity.event_day <= rules.period_end
    where activity.event_day >= {{ first_day_of_rule(grain, 'stalled_after_days') }}
),

stalled as (
    select distinct
        standing.period_start,
        population.org_unit_id,
        standing.person_id,
        standing.course_id,
        courses.title,
        courses.is_mandatory,
        case when standing.started_on <= standing.period_end then 1 else 0 end as has_begun
    from standing
    inner join {{ of_grain('int_population', grain) }} as population
        on
            standing.period_start = population.period_start
            and standing.person_id = population.person_id
            and population.is_eligible
            and population.employment_line = 'employee'
    left join {{ of_grain('int_courses', grain) }} as courses
        on
            standing.period_start = courses.period_start
            and standing.course_id = courses.course_id
    left join active
        on
            standing.period_start = active.period_start
            and standing.person_id = active.person_id
            and standing.course_id = active.course_id
    where
        active.person_id is null
        and (
            standing.started_on is null
            or standing.started_on <= standing.quiet_since
            or standing.started_on > standing.period_end
        )
        and (courses.retired_on is null or courses.retired_on > standing.period_end)
        and not (
            coalesce(courses.is_mandatory, false)
            and coalesce(standing.first_due_on <= standing.period_end, false)
        )
)

select
    stalled.period_start,
    tree.ancestor_id as org_unit_id,
    stalled.course_id,
    max(stalled.title) as title,
    coalesce(max(stalled.is_mandatory), false) as is_mandatory,
    cast(count(distinct stalled.person_id) as bigint) as people,
    cast(
        count(distinct case when stalled.has_begun = 1 then stalled.person_id end) as bigint
    ) as begun
from stalled
inner join {{ of_grain('int_org_tree', grain) }} as tree
    on stalled.period_start = tree.period_start and stalled.org_unit_id = tree.org_unit_id
group by stalled.period_start, tree.ancestor_id, stalled.course_id
{%- endmacro %}
