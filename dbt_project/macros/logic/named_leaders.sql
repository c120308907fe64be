{# The leaders the programme names, as of the period's end: holders of the four leading roles, with
   their line upwards, their deputy and since when they are in the role. #}
{% macro named_leaders(grain) -%}
with

leaders as (
    select governance.*
    from {{ of_grain('governance', grain) }} as governance
    where governance.role in ('executive_sponsor', 'sponsor', 'unit_head', 'elt_member')
),

since as (
    select
        leaders.period_start,
        leaders.role,
        leaders.org_unit_id,
        leaders.person_id,
        min(spans.held_from) as in_role_from
    from leaders
    inner join {{ of_grain('stg_control__periods', grain) }} as periods
        on leaders.period_start = periods.period_start
    inner join {{ of_grain('int_role_spans', grain) }} as spans
        on
            leaders.period_start = spans.period_start
            and leaders.role = spans.role
            and leaders.org_unit_id = spans.org_unit_id
            and leaders.person_id = spans.person_id
            and spans.held_from <= periods.period_end
            and spans.held_until > periods.period_end
    group by leaders.period_start, leaders.role, leaders.org_unit_id, leaders.person_id
),

leave_days as (
    select
        spells.period_start,
        spells.person_id,
        sum(
            1 + {{ days_between(
                'greatest(spells.leave_from, periods.period_start)',
                'least(spells.leave_to, periods.period_end)'
            ) }}
        ) as days
    from {{ of_grain('int_leave_spells', grain) }} as spells
    inner join {{ of_grain('stg_control__periods', grain) }} as periods
        on
            spells.period_start = periods.period_start
            and spells.leave_from <= periods.period_end
            and spells.leave_to >= periods.period_start
    group by spells.period_start, spells.person_id
)

select
    leaders.period_start,
    leaders.person_id,
    leaders.full_name,
    leaders.role,
    leaders.org_unit_id,
    people.manager_id,
    leaders.deputy_person_id,
    since.in_role_from,
    leaders.is_active,
    cast(coalesce(leave_days.days, 0) as bigint) as on_leave_days
from leaders
left join {{ of_grain('int_people', grain) }} as people
    on leaders.period_start = people.period_start and leaders.person_id = people.person_id
left join since
    on
        leaders.period_start = since.period_start
        and leaders.role = since.role
        and leaders.org_unit_id = since.org_unit_id
        and leaders.person_id = since.person_id
left join leave_days
    on leaders.period_start = leave_days.period_start and leaders.person_id = leave_days.person_id
{%- endmacro %}
