{# Members of the executive leadership team and their first completion of a flagship course. #}
{% macro fct_leaders_flagship(grain) -%}
with

completions as (
    select
        courses.period_start,
        enrolments.person_id,
        min(enrolments.completed_on) as first_completed_on
    from {{ of_grain('int_courses', grain) }} as courses
    inner join {{ ref('int_enrolments') }} as enrolments
        on courses.course_id = enrolments.course_id
    where courses.is_flagship and enrolments.completed_on is not null
    group by courses.period_start, enrolments.person_id
)

select
    population.period_start,
    population.org_unit_id,
    population.employment_line,
    population.person_id,
    completions.first_completed_on,
    1 as in_denominator,
    case when completions.first_completed_on <= population.period_end then 1 else 0 end
        as in_numerator
from {{ of_grain('int_population', grain) }} as population
left join completions
    on
        population.period_start = completions.period_start
        and population.person_id = completions.person_id
where population.is_eligible and population.leader_level = 'elt'
{%- endmacro %}
