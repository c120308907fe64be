{# People with mandatory enrolments open or done at the period's end, and those overdue then. #}
{% macro fct_mandatory_overdue(grain) -%}
with

employed as (
    select
        people.period_start,
        people.period_end,
        people.person_id,
        people.org_unit_id,
        people.employment_line
    from {{ of_grain('int_people', grain) }} as people
    left join {{ of_grain('int_leave_spells', grain) }} as spells
        on
            people.period_start = spells.period_start
            and people.person_id = spells.person_id
            and people.period_end between spells.leave_from and spells.leave_to
    where
        spells.person_id is null
        and (people.hired_on is null or people.hired_on <= people.period_end)
        and (people.left_on is null or people.left_on > people.period_end)
)

select
    employed.period_start,
    employed.org_unit_id,
    employed.employment_line,
    employed.person_id,
    cast(count(*) as bigint) as mandatory_enrolments,
    cast(
        sum(
            case
                when
                    enrolments.first_due_on <= employed.period_end
                    and (
                        enrolments.completed_on is null
                        or enrolments.completed_on > employed.period_end
                    )
                    then 1
                else 0
            end
        ) as bigint
    ) as overdue_enrolments,
    min(
        case
            when
                enrolments.completed_on is null or enrolments.completed_on > employed.period_end
                then enrolments.first_due_on
        end
    ) as oldest_open_due_on,
    1 as in_denominator,
    max(
        case
            when
                enrolments.first_due_on <= employed.period_end
                and (
                    enrolments.completed_on is null
                    or enrolments.completed_on > employed.period_end
                )
                then 1
            else 0
        end
    ) as in_numerator
from employed
inner join {{ of_grain('int_enrolments', grain) }} as enrolments
    on employed.person_id = enrolments.person_id
inner join {{ of_grain('int_courses', grain) }} as courses
    on
        employed.period_start = courses.period_start
        and enrolments.course_id = courses.course_id
where
    courses.is_mandatory
    and enrolments.enrolled_on <= employed.period_end
    and (enrolments.cancelled_on is null or enrolments.cancelled_on > employed.period_end)
    and (courses.retired_on is null or courses.retired_on > employed.period_end)
group by
    employed.period_start,
    employed.org_unit_id,
    employed.employment_line,
    employed.person_id
{%- endmacro %}
