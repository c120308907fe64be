{{ config(tags=['foundation']) }}

select
    enrolments.enrolment_id,
    enrolments.valid_from,
    enrolments.valid_to,
    enrolments.person_id,
    enrolments.course_id,
    enrolments.enrolled_at,
    {{ local_day('enrolments.enrolled_at', 'settings.time_zone') }} as enrolled_on,
    enrolments.due_at,
    {{ local_day('enrolments.due_at', 'settings.time_zone') }} as due_on,
    enrolments.started_at,
    {{ local_day('enrolments.started_at', 'settings.time_zone') }} as started_on,
    enrolments.completed_at,
    {{ local_day('enrolments.completed_at', 'settings.time_zone') }} as completed_on,
    case
        when
            lower(trim(enrolments.status)) in (
                'cancelled', 'canceled', 'withdrawn', 'unenrolled', 'unregistered', 'removed'
            )
            then 'cancelled'
        when lower(trim(enrolments.status)) in ('failed', 'fail') then 'failed'
        when lower(trim(enrolments.status)) in ('completed', 'complete', 'passed') then 'completed'
        else lower(trim(enrolments.status))
    end as status,
    enrolments.score
from {{ source('lake', 'versions_enrolments') }} as enrolments
cross join {{ ref('stg_control__settings') }} as settings
