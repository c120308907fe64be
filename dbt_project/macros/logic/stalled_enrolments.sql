{# People with an open enrolment in which nothing has happened for so many days, by course and by
   every unit they belong to. Mandatory learning past its first due date is overdue, which is counted
   elsewhere, and does not stall as well. #}
{% macro stalled_enrolments(grain) -%}
with

rules as (
    {{ review_rule(grain, 'stalled_after_days') }}
),

-- a number for two names: over years, each open enrolment has a row in every week
pairs as (
    select
        enrolled.person_id,
        enrolled.course_id,
        row_number() over (order by enrolled.person_id, enrolled.course_id) as pair_id
    from (
        select distinct
            person_id,
            course_id
        from {{ of_grain('int_enrolments', grain) }}
    ) as enrolled
),

-- from when on an enrolment was over, or open: what the LMS said of it, open where it said nothing
turns as (
    select
        versions.enrolment_id,
        versions.valid_from as turned_on,
        case when versions.status in ('failed', 'completed') then 1 else 0 end as is_over
    from {{ ref('stg_lake__enrolments') }} as versions
    union all
    select
        vanished.enrolment_id,
        vanished.valid_to as turned_on,
        0 as is_over
    from (
        select
            enrolment_id,
            valid_to,
            lead(valid_from) over (partition by enrolment_id order by valid_from) as next_from
        from {{ ref('stg_lake__enrolments') }}
    ) as vanished
    where
        vanished.valid_to is not null
        and (vanished.next_from is null or vanished.next_from > vanished.valid_to)
    union all
    select
        enrolments.enrolment_id,
        date '0001-01-01' as turned_on,
        0 as is_over
    from {{ of_grain('int_enrolments', grain) }} as enrolments
),

spans as (
    select
        turns.enrolment_id,
        turns.turned_on as from_on,
        turns.is_over,
        lead(turns.turned_on) over (
            partition by turns.enrolment_id order by turns.turned_on
        ) as until
    from turns
),

open_spans as (
    select
        pairs.pair_id,
        enrolments.course_id,
        enrolments.enrolled_on,
        enrolments.first_due_on,
        enrolments.started_on,
        spans.from_on,
        least(
            coalesce(spans.until, date '9999-12-31'),
            coalesce(enrolments.completed_on, date '9999-12-31'),
            coalesce(enrolments.cancelled_on, date '9999-12-31')
        ) as until
    from spans
    inner join {{ of_grain('int_enrolments', grain) }} as enrolments
        on spans.enrolment_id = enrolments.enrolment_id
    inner join pairs
        on enrolments.person_id = pairs.person_id and enrolments.course_id = pairs.course_id
    where spans.is_over = 0
),

-- what the enrolment was at the period's end, whatever came later
standing as (
    select
        rules.period_start,
        open_spans.pair_id,
        case when open_spans.started_on <= rules.period_end then 1 else 0 end as has_begun
    from rules
    inner join open_spans
        on
            open_spans.from_on <= rules.period_end
            and open_spans.until > rules.period_end
            and open_spans.enrolled_on <= {{ add_days('rules.period_end', '-rules.value') }}
    left join {{ of_grain('int_courses', grain) }} as courses
        on
            rules.period_start = courses.period_start
            and open_spans.course_id = courses.course_id
    where
        (
            open_spans.started_on is null
            or open_spans.started_on <= {{ add_days('rules.period_end', '-rules.value') }}
            or open_spans.started_on > rules.period_end
        )
        and (courses.retired_on is null or courses.retired_on > rules.period_end)
        and not (
            coalesce(courses.is_mandatory, false)
            and coalesce(open_spans.first_due_on <= rules.period_end, false)
        )
),

days as (
    select
        pairs.pair_id,
        activity.event_day,
        lead(activity.event_day) over (
            partition by pairs.pair_id order by activity.event_day
        ) as next_day
    from {{ ref('fct_course_day') }} as activity
    inner join pairs
        on activity.person_id = pairs.person_id and activity.course_id = pairs.course_id
    where activity.event_day >= {{ first_day_of_rule(grain, 'stalled_after_days') }}
),

-- a day speaks for the periods that end before the next one: so each pair is there once a period
active as (
    select
        rules.period_start,
        days.pair_id
    from days
    inner join rules
        on
            days.event_day > {{ add_days('rules.period_end', '-rules.value') }}
            and days.event_day <= rules.period_end
            and (days.next_day is null or days.next_day > rules.period_end)
),

stalled as (
    select
        standing.period_start,
        standing.pair_id,
        max(standing.has_begun) as has_begun
    from standing
    left join active
        on
            standing.period_start = active.period_start
            and standing.pair_id = active.pair_id
    where active.pair_id is null
    group by standing.period_start, standing.pair_id
),

-- people of the unit itself, who have no second one in the period: so units above are sums
own as (
    select
        stalled.period_start,
        population.org_unit_id,
        pairs.course_id,
        count(*) as people,
        sum(stalled.has_begun) as begun
    from stalled
    inner join pairs on stalled.pair_id = pairs.pair_id
    inner join {{ of_grain('int_population', grain) }} as population
        on
            stalled.period_start = population.period_start
            and pairs.person_id = population.person_id
            and population.is_eligible
            and population.employment_line = 'employee'
    group by stalled.period_start, population.org_unit_id, pairs.course_id
),

summed as (
    select
        own.period_start,
        tree.ancestor_id as org_unit_id,
        own.course_id,
        sum(own.people) as people,
        sum(own.begun) as begun
    from own
    inner join {{ of_grain('int_org_tree', grain) }} as tree
        on own.period_start = tree.period_start and own.org_unit_id = tree.org_unit_id
    group by own.period_start, tree.ancestor_id, own.course_id
)

select
    summed.period_start,
    summed.org_unit_id,
    summed.course_id,
    courses.title,
    coalesce(courses.is_mandatory, false) as is_mandatory,
    cast(summed.people as bigint) as people,
    cast(summed.begun as bigint) as begun
from summed
left join {{ of_grain('int_courses', grain) }} as courses
    on summed.period_start = courses.period_start and summed.course_id = courses.course_id
{%- endmacro %}
