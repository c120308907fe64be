{{ config(tags=['day']) }}

with

in_force as (
    select
        activity.event_id,
        activity.person_id,
        activity.course_id,
        activity.verb,
        activity.occurred_at,
        activity.duration_seconds,
        activity.event_day,
        row_number() over (
            partition by activity.event_day, activity.event_id
            order by activity.delivery_id desc
        ) as recency
    from {{ source('lake', 'raw_activity') }} as activity
    where
        activity.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_activity') }} as deliveries
        )
)

select
    latest.event_id,
    latest.person_id,
    latest.course_id,
    latest.verb,
    latest.occurred_at,
    latest.duration_seconds,
    latest.event_day
from in_force as latest
where latest.recency = 1
