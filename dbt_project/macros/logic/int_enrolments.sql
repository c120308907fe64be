{# Each enrolment as last known. The same in every grain: each builds it once, as a table, because a
   view would go through all versions for every model that reads it. It follows its period's close as
   the other models do, so that a backfill builds it in one run with them. #}
{% macro int_enrolments(grain) -%}
-- depends_on: {{ of_grain('stg_control__periods', grain) }}
with

ranked as (
    select
        versions.*,
        row_number() over (
            partition by versions.enrolment_id order by versions.valid_from desc
        ) as recency,
        max(
            case when coalesce(versions.status, '') <> 'cancelled' then versions.valid_from end
        ) over (partition by versions.enrolment_id) as last_open_from
    from {{ ref('stg_lake__enrolments') }} as versions
),

history as (
    select
        ranked.enrolment_id,
        -- an LMS that does not say when: the day it was first listed
        coalesce(min(ranked.enrolled_on), min(ranked.valid_from)) as enrolled_on,
        min_by(ranked.due_on, ranked.valid_from) filter (
            where ranked.due_on is not null
        ) as first_due_on,
        -- one that was taken up again is cancelled since it was cancelled for good
        min(
            case
                when
                    ranked.status = 'cancelled'
                    and (
                        ranked.last_open_from is null or ranked.valid_from > ranked.last_open_from
                    )
                    then ranked.valid_from
            end
        ) as cancelled_for_good_on,
        max(case when ranked.recency = 1 then ranked.valid_to end) as vanished_on,
        max(case when ranked.recency = 1 and ranked.status = 'cancelled' then 1 else 0 end)
            as is_cancelled
    from ranked
    group by ranked.enrolment_id
)

select
    latest.enrolment_id,
    latest.person_id,
    latest.course_id,
    history.enrolled_on,
    history.first_due_on,
    latest.due_on,
    latest.started_on,
    latest.completed_on,
    coalesce(
        case when history.is_cancelled = 1 then history.cancelled_for_good_on end,
        history.vanished_on
    ) as cancelled_on,
    latest.status,
    latest.score
from ranked as latest
inner join history on latest.enrolment_id = history.enrolment_id
where latest.recency = 1
{%- endmacro %}
