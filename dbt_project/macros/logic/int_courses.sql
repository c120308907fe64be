{# Each course as last known at the period's end (its first version where none is that old). #}
{% macro int_courses(grain) -%}
with

known as (
    select
        periods.period_start,
        periods.period_end,
        courses.*,
        row_number() over (
            partition by periods.period_start, courses.course_id
            order by courses.valid_from desc
        ) as recency
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('stg_lake__courses') }} as courses
        on courses.valid_from <= periods.period_end or courses.is_first_version
),

programme as (
    select
        programme_courses.course_id,
        max(case when programme_courses.kind = 'flagship' then 1 else 0 end) as is_flagship
    from {{ ref('programme_courses') }} as programme_courses
    group by programme_courses.course_id
),

judged as (
    select
        known.*,
        case
            when listed.is_flagship = 1 then true
            when every_flagship.is_flagship = 1 and known.is_flagship then true
            else false
        end as is_programme_flagship,
        listed.course_id is not null
        or every_course.course_id is not null
        or (every_flagship.course_id is not null and known.is_flagship) as is_programme
    from known
    left join programme as listed on known.course_id = listed.course_id
    left join programme as every_flagship on every_flagship.course_id = '*flagship'
    left join programme as every_course on every_course.course_id = '*'
    where known.recency = 1
)

select
    period_start,
    course_id,
    title,
    competency_id,
    owner_person_id,
    published_on,
    review_due_on,
    duration_minutes,
    is_mandatory,
    is_programme,
    is_programme_flagship as is_flagship,
    -- a course that left the catalogue was retired then
    case
        when valid_to is not null and valid_to <= period_end
            then least(coalesce(retired_on, valid_to), valid_to)
        else retired_on
    end as retired_on
from judged
{%- endmacro %}
