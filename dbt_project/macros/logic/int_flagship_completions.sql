{# First completion of a flagship course by the period's end, of everyone who has one. #}
{% macro int_flagship_completions(grain) -%}
select
    courses.period_start,
    enrolments.person_id,
    min(enrolments.completed_on) as first_completed_on,
    min_by(
        enrolments.enrolment_id,
        concat(cast(enrolments.completed_on as string), enrolments.enrolment_id)
    ) as enrolment_id
from {{ of_grain('int_courses', grain) }} as courses
inner join {{ of_grain('stg_control__periods', grain) }} as periods
    on courses.period_start = periods.period_start
inner join {{ of_grain('int_enrolments', grain) }} as enrolments
    on
        courses.course_id = enrolments.course_id
        and enrolments.completed_on <= periods.period_end
where courses.is_flagship
group by courses.period_start, enrolments.person_id
{%- endmacro %}
