{# The 13 whole ISO weeks up to the period's end of each named leader, in the unit they lead: in the
   role, on leave, actions recorded and those that somebody of the unit's line could see or hear. #}
{% macro fct_leader_weeks(grain) -%}
with

leaders as (
    select distinct
        leaders.period_start,
        leaders.person_id,
        leaders.org_unit_id
    from {{ of_grain('named_leaders', grain) }} as leaders
),

weeks as (
    select
        leaders.period_start,
        leaders.person_id,
        leaders.org_unit_id,
        weeks.week_start,
        max(weeks.is_on_leave) as is_on_leave
    from leaders
    inner join {{ of_grain('int_leader_weeks', grain) }} as weeks
        on
            leaders.period_start = weeks.period_start
            and leaders.person_id = weeks.person_id
            and leaders.org_unit_id = weeks.org_unit_id
    group by leaders.period_start, leaders.person_id, leaders.org_unit_id, weeks.week_start
),

actions as (
    select
        weeks.period_start,
        weeks.person_id,
        weeks.org_unit_id,
        weeks.week_start,
        count(*) as actions,
        sum(
            case
                when actions.visibility in ('own_voice', 'in_person') then actions.reaches_unit
                else 0
            end
        ) as visible_actions
    from weeks
    inner join {{ of_grain('leader_actions', grain) }} as actions
        on
            weeks.period_start = actions.period_start
            and weeks.person_id = actions.person_id
            and weeks.org_unit_id = actions.org_unit_id
            and actions.happened_on
            between weeks.week_start and {{ add_days('weeks.week_start', 6) }}
    group by weeks.period_start, weeks.person_id, weeks.org_unit_id, weeks.week_start
)

select
    weeks.period_start,
    weeks.org_unit_id,
    weeks.person_id,
    weeks.week_start,
    cast(coalesce(actions.actions, 0) as bigint) as actions,
    cast(coalesce(actions.visible_actions, 0) as bigint) as visible_actions,
    1 - weeks.is_on_leave as in_denominator,
    case when weeks.is_on_leave = 0 and actions.visible_actions > 0 then 1 else 0 end
        as in_numerator
from weeks
left join actions
    on
        weeks.period_start = actions.period_start
        and weeks.person_id = actions.person_id
        and weeks.org_unit_id = actions.org_unit_id
        and weeks.week_start = actions.week_start
{%- endmacro %}
