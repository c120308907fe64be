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
    {{ events_of_this_build() }}
),

judged as (
    select
        events.event_day,
        events.person_id,
        events.course_id,
        events.seconds,
        case
            when events.seconds >= {{ least_seconds('events.verb', 'events.event_day') }} then 1
            else 0
        end as counts
    from events
),

days as (
    select
        judged.event_day,
        judged.person_id,
        judged.course_id,
        cast(count(*) as bigint) as events,
        cast(sum(judged.counts) as bigint) as learning_events,
        cast(sum(judged.counts * judged.seconds) as bigint) as learning_seconds
    from judged
    group by judged.event_day, judged.person_id, judged.course_id
)

select
    days.event_day,
    days.person_id,
    days.course_id,
    days.events,
    days.learning_events,
    days.learning_seconds,
    mandatory.course_id is not null as is_mandatory
from days
-- one version of a course holds on a day; before its first it is what that says
left join {{ ref('stg_lake__courses') }} as mandatory
    on
        days.course_id = mandatory.course_id
        and mandatory.is_mandatory
        and (days.event_day >= mandatory.valid_from or mandatory.is_first_version)
        and (mandatory.valid_to is null or days.event_day < mandatory.valid_to)
