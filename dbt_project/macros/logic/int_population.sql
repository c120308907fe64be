{# Who counts in a period, and why who does not. Everyone employed at some time in the period, or
   already announced, has a row. #}
{% macro int_population(grain) -%}
with

people as (
    select * from {{ of_grain('int_people', grain) }}
    where left_on is null or left_on >= period_start
),

rules as (
    select
        periods.period_start,
        max_by(rules.value, rules.valid_from) filter (where rules.rule = 'joiner_days')
            as joiner_days,
        max_by(rules.value, rules.valid_from) filter (where rules.rule = 'leave_share')
            as leave_share
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('population') }} as rules on rules.valid_from <= periods.period_end
    group by periods.period_start
),

leave_days as (
    select
        people.period_start,
        people.person_id,
        sum(
            1 + {{ days_between(
                'greatest(spells.leave_from, people.period_start)',
                'least(spells.leave_to, people.period_end)'
            ) }}
        ) as days
    from people
    inner join {{ of_grain('int_leave_spells', grain) }} as spells
        on
            people.period_start = spells.period_start
            and people.person_id = spells.person_id
            and spells.leave_from <= people.period_end
            and spells.leave_to >= people.period_start
    group by people.period_start, people.person_id
),

judged as (
    select
        people.*,
        case
            when people.left_on <= people.period_end then 'left'
            when people.hired_on > people.period_end then 'not_yet_hired'
            when
                leave_days.days
                > rules.leave_share
                * (1 + {{ days_between('people.period_start', 'people.period_end') }})
                then 'on_leave'
            when
                1 + {{ days_between('people.hired_on', 'people.period_end') }}
                < rules.joiner_days
                then 'not_yet_31_days'
        end as exclusion_reason
    from people
    left join rules on people.period_start = rules.period_start
    left join leave_days
        on
            people.period_start = leave_days.period_start
            and people.person_id = leave_days.person_id
)

select
    period_start,
    period_end,
    person_id,
    org_unit_id,
    employment_line,
    job_role,
    leader_level,
    manager_id,
    hired_on,
    left_on,
    exclusion_reason is null as is_eligible,
    exclusion_reason
from judged
{%- endmacro %}
