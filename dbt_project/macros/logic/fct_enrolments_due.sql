{# Enrolments whose first assigned due date lies in the period, mandatory and elective, with the
   reason where one is left out. #}
{% macro fct_enrolments_due(grain) -%}
with

due as (
    select
        periods.period_start,
        enrolments.enrolment_id,
        enrolments.person_id,
        enrolments.course_id,
        enrolments.enrolled_on,
        enrolments.first_due_on,
        enrolments.completed_on,
        enrolments.cancelled_on,
        people.org_unit_id,
        people.employment_line,
        people.hired_on,
        people.left_on,
        coalesce(courses.is_mandatory, false) as is_mandatory,
        courses.retired_on
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ of_grain('int_enrolments', grain) }} as enrolments
        on enrolments.first_due_on between periods.period_start and periods.period_end
    inner join {{ of_grain('int_people', grain) }} as people
        on
            periods.period_start = people.period_start
            and enrolments.person_id = people.person_id
    left join {{ of_grain('int_courses', grain) }} as courses
        on
            periods.period_start = courses.period_start
            and enrolments.course_id = courses.course_id
),

on_leave as (
    select distinct
        due.period_start,
        due.enrolment_id
    from due
    inner join {{ of_grain('int_leave_spells', grain) }} as spells
        on
            due.period_start = spells.period_start
            and due.person_id = spells.person_id
            and due.first_due_on between spells.leave_from and spells.leave_to
),

rules as (
    select
        periods.period_start,
        max_by(rules.value, rules.valid_from) as joiner_days
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('population') }} as rules
        on rules.valid_from <= periods.period_end and rules.rule = 'joiner_days'
    group by periods.period_start
),

judged as (
    select
        due.*,
        case
            when due.hired_on > due.first_due_on or due.left_on <= due.first_due_on
                then 'not employed on the due date'
            when on_leave.enrolment_id is not null then 'on leave on the due date'
            when due.retired_on < due.first_due_on then 'course retired before the due date'
            when
                due.cancelled_on <= due.first_due_on
                and (due.completed_on is null or due.completed_on > due.cancelled_on)
                then 'cancelled by the due date'
            -- joiners count at once in mandatory learning only
            when
                not due.is_mandatory
                and 1 + {{ days_between('due.hired_on', 'due.first_due_on') }}
                < rules.joiner_days
                then 'joined under 31 days before the due date'
        end as left_out_reason
    from due
    left join rules on due.period_start = rules.period_start
    left join on_leave
        on due.period_start = on_leave.period_start and due.enrolment_id = on_leave.enrolment_id
)

select
    period_start,
    org_unit_id,
    employment_line,
    person_id,
    enrolment_id,
    course_id,
    is_mandatory,
    enrolled_on,
    first_due_on,
    completed_on,
    cancelled_on,
    left_out_reason,
    case
        when {{ days_between('enrolled_on', 'first_due_on') }} < 14 then 1
        else 0
    end as is_short_notice,
    case when left_out_reason is null then 1 else 0 end as in_denominator,
    case
        when left_out_reason is null and completed_on <= first_due_on then 1
        else 0
    end as in_numerator
from judged
{%- endmacro %}
