{{ config(tags=['foundation']) }}

with

in_force as (
    select
        assessments.attempt_id,
        assessments.person_id,
        assessments.competency_id,
        assessments.course_id,
        assessments.attempted_at,
        assessments.score,
        assessments.passed,
        row_number() over (
            partition by assessments.attempt_id
            order by assessments.delivery_id desc
        ) as recency
    from {{ source('lake', 'raw_assessments') }} as assessments
    where
        assessments.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_assessments') }} as deliveries
        )
)

select
    latest.attempt_id,
    latest.person_id,
    latest.competency_id,
    latest.course_id,
    latest.attempted_at,
    {{ local_day('latest.attempted_at', 'settings.time_zone') }} as attempted_on,
    latest.score,
    latest.passed
from in_force as latest
cross join {{ ref('stg_control__settings') }} as settings
where latest.recency = 1
