{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        partition_by=['event_day'],
        tags=['day'],
        pre_hook="{{ forget_days(this) }}",
    )
}}

with

events as (
    select
        activity.event_day,
        activity.person_id,
        activity.course_id,
        activity.verb,
        coalesce(activity.duration_seconds, 0) as seconds
    from {{ ref('stg_lake__activity') }} as activity
    {{ only_days_of_this_build('activity.event_day') }}
),

days as (
    select distinct events.event_day
    from events
),

verb_days as (
    select
        days.event_day,
        verbs.verb,
        min(verbs.min_seconds) as min_seconds
    from days
    inner join {{ ref('learning_verbs') }} as verbs
        on {{ holds_on('verbs', 'days.event_day') }}
    group by days.event_day, verbs.verb
),

mandatory_days as (
    select distinct
        days.event_day,
        courses.course_id
    from days
    inner join {{ ref('stg_lake__courses') }} as courses
        on
            (days.event_day >= courses.valid_from or courses.is_first_version)
            and (courses.valid_to is null or days.event_day < courses.valid_to)
            and courses.is_mandatory
),

judged as (
    select
        events.event_day,
        events.person_id,
        events.seconds,
        case
            when verb_days.verb is not null and events.seconds >= verb_days.min_seconds then 1
            else 0
        end as counts,
        case when mandatory_days.course_id is null then 0 else 1 end as mandatory
    from events
    left join verb_days
        on
            events.event_day = verb_days.event_day
            and events.verb = verb_days.verb
    left join mandatory_days
        on
            events.event_day = mandatory_days.event_day
            and events.course_id = mandatory_days.course_id
)

select
    event_day,
    person_id,
    cast(count(*) as bigint) as events,
    cast(sum(counts) as bigint) as learning_events,
    cast(sum(counts * seconds) as bigint) as learning_seconds,
    cast(sum(counts * (1 - mandatory)) as bigint) as voluntary_events,
    cast(sum(counts * (1 - mandatory) * seconds) as bigint) as voluntary_seconds,
    cast(sum(counts * mandatory) as bigint) as mandatory_events,
    cast(sum(counts * mandatory * seconds) as bigint) as mandatory_seconds
from judged
group by event_day, person_id
