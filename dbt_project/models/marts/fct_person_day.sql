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

judged as (
    select
        learning.*,
        case when mandatory.course_id is null then 0 else 1 end as mandatory
    from {{ ref('fct_course_day') }} as learning
    -- one version of a course holds on a day; before its first it is what that says
    left join {{ ref('stg_lake__courses') }} as mandatory
        on
            learning.course_id = mandatory.course_id
            and mandatory.is_mandatory
            and (learning.event_day >= mandatory.valid_from or mandatory.is_first_version)
            and (mandatory.valid_to is null or learning.event_day < mandatory.valid_to)
    where {{ is_day_of_this_build('learning.event_day') }}
)

select
    event_day,
    person_id,
    cast(sum(events) as bigint) as events,
    cast(sum(learning_events) as bigint) as learning_events,
    cast(sum(learning_seconds) as bigint) as learning_seconds,
    cast(sum(learning_events * (1 - mandatory)) as bigint) as voluntary_events,
    cast(sum(learning_seconds * (1 - mandatory)) as bigint) as voluntary_seconds,
    cast(sum(learning_events * mandatory) as bigint) as mandatory_events,
    cast(sum(learning_seconds * mandatory) as bigint) as mandatory_seconds
from judged
group by event_day, person_id
