{# Who held a leading role for which unit in each of the 13 whole ISO weeks up to the period's end,
   and whether they were on leave all that working week. A unit's own sponsor is one only in weeks
   in which the charter names none. #}
{% macro int_leader_weeks(grain) -%}
with

weeks as (
{{ last_13_weeks(grain) }}
),

held as (
    select distinct
        weeks.period_start,
        weeks.week_start,
        spans.role,
        spans.org_unit_id,
        spans.person_id,
        spans.is_by_charter
    from weeks
    inner join {{ of_grain('int_role_spans', grain) }} as spans
        on
            weeks.period_start = spans.period_start
            and spans.held_from <= {{ add_days('weeks.week_start', 6) }}
            and spans.held_until > weeks.week_start
    where spans.role in ('executive_sponsor', 'sponsor', 'unit_head', 'elt_member')
),

charter_sponsors as (
    select distinct
        held.period_start,
        held.week_start,
        held.org_unit_id
    from held
    where held.role = 'sponsor' and held.is_by_charter
),

in_role as (
    select distinct
        held.period_start,
        held.week_start,
        held.role,
        held.org_unit_id,
        held.person_id
    from held
    left join charter_sponsors
        on
            held.period_start = charter_sponsors.period_start
            and held.week_start = charter_sponsors.week_start
            and held.org_unit_id = charter_sponsors.org_unit_id
    where held.is_by_charter or charter_sponsors.org_unit_id is null
),

on_leave as (
    select distinct
        in_role.period_start,
        in_role.week_start,
        in_role.person_id
    from in_role
    inner join {{ of_grain('int_leave_spells', grain) }} as spells
        on
            in_role.period_start = spells.period_start
            and in_role.person_id = spells.person_id
            and spells.leave_from <= in_role.week_start
            and spells.leave_to >= {{ add_days('in_role.week_start', 4) }}
)

select
    in_role.period_start,
    in_role.week_start,
    in_role.role,
    in_role.org_unit_id,
    in_role.person_id,
    case when on_leave.person_id is null then 0 else 1 end as is_on_leave
from in_role
left join on_leave
    on
        in_role.period_start = on_leave.period_start
        and in_role.week_start = on_leave.week_start
        and in_role.person_id = on_leave.person_id
{%- endmacro %}
