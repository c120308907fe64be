{# First completions of programme courses in the period by eligible people. #}
{% macro fct_first_completions(grain) -%}
with

firsts as (
    select
        enrolments.person_id,
        enrolments.course_id,
        min(enrolments.completed_on) as first_completed_on
    from {{ of_grain('int_enrolments', grain) }} as enrolments
    where enrolments.completed_on is not null
    group by enrolments.person_id, enrolments.course_id
)

select
    population.period_start,
    population.org_unit_id,
    population.employment_line,
    population.person_id,
    firsts.course_id,
    firsts.first_completed_on,
    courses.is_mandatory,
    1 as in_numerator
from {{ of_grain('int_population', grain) }} as population
inner join firsts
    on
        population.person_id = firsts.person_id
        and firsts.first_completed_on between population.period_start and population.period_end
inner join {{ of_grain('int_courses', grain) }} as courses
    on
        population.period_start = courses.period_start
        and firsts.course_id = courses.course_id
where population.is_eligible and courses.is_programme
{%- endmacro %}
