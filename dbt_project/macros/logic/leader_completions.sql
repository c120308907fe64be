{# Courses that named leaders completed for the first time in the period, beyond what is mandatory:
   a duty done is no example set. #}
{% macro leader_completions(grain) -%}
with

leaders as (
    select distinct
        named.period_start,
        named.person_id
    from {{ of_grain('named_leaders', grain) }} as named
    where named.is_active
),

firsts as (
    select
        enrolments.person_id,
        enrolments.course_id,
        min(enrolments.completed_on) as completed_on
    from {{ of_grain('int_enrolments', grain) }} as enrolments
    where enrolments.completed_on is not null
    group by enrolments.person_id, enrolments.course_id
)

select
    leaders.period_start,
    leaders.person_id,
    people.org_unit_id,
    firsts.course_id,
    courses.title,
    coalesce(courses.is_flagship, false) as is_flagship,
    firsts.completed_on
from leaders
inner join {{ of_grain('int_people', grain) }} as people
    on leaders.period_start = people.period_start and leaders.person_id = people.person_id
inner join firsts
    on
        leaders.person_id = firsts.person_id
        and firsts.completed_on between people.period_start and people.period_end
left join {{ of_grain('int_courses', grain) }} as courses
    on leaders.period_start = courses.period_start and firsts.course_id = courses.course_id
where not coalesce(courses.is_mandatory, false) or courses.is_flagship
{%- endmacro %}
