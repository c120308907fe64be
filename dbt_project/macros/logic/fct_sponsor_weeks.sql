{# The 13 whole ISO weeks up to the period's end, for each holder of the role of executive
   sponsor: in the role, on leave, actions recorded and actions that people could see or hear. #}
{% macro fct_sponsor_weeks(grain) -%}
with

numbers as (
{%- for number in range(13) %}
    select {{ number }} as back
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}
),

weeks as (
    select
        periods.period_start,
        {{ add_days(start_of('week', add_days('periods.period_end', 1)), '-7 * (numbers.back + 1)') }}
            as week_start
    from {{ of_grain('stg_control__periods', grain) }} as periods
    cross join numbers
),

roots as (
    select distinct
        tree.period_start,
        tree.org_unit_id
    from {{ of_grain('int_org_tree', grain) }} as tree
    where tree.depth = 0
),

holders as (
    select distinct
        weeks.period_start,
        weeks.week_start,
        roles.person_id
    from weeks
    inner join roots on weeks.period_start = roots.period_start
    inner join {{ ref('governance_roles') }} as roles
        on
            roles.role = 'executive_sponsor'
            and (roles.org_unit_id = '*' or roles.org_unit_id = roots.org_unit_id)
            and roles.valid_from <= {{ add_days('weeks.week_start', 6) }}
            and (roles.valid_to is null or roles.valid_to > weeks.week_start)
),

on_leave as (
    select distinct
        holders.period_start,
        holders.week_start,
        holders.person_id
    from holders
    inner join {{ of_grain('int_leave_spells', grain) }} as spells
        on
            holders.period_start = spells.period_start
            and holders.person_id = spells.person_id
            and spells.leave_from <= holders.week_start
            and spells.leave_to >= {{ add_days('holders.week_start', 4) }}
),

actions as (
    select
        holders.period_start,
        holders.week_start,
        holders.person_id,
        count(*) as actions,
        sum(case when kinds.visibility in ('own_voice', 'in_person') then 1 else 0 end)
            as visible_actions
    from holders
    inner join {{ ref('stg_lake__leader_actions') }} as actions
        on
            holders.person_id = actions.person_id
            and actions.happened_on
            between holders.week_start and {{ add_days('holders.week_start', 6) }}
    left join {{ ref('leader_action_kinds') }} as kinds on actions.kind = kinds.kind
    group by holders.period_start, holders.week_start, holders.person_id
)

select
    holders.period_start,
    holders.week_start,
    holders.person_id,
    cast(coalesce(actions.actions, 0) as bigint) as actions,
    cast(coalesce(actions.visible_actions, 0) as bigint) as visible_actions,
    case when on_leave.person_id is null then 1 else 0 end as in_denominator,
    case when on_leave.person_id is null and actions.visible_actions > 0 then 1 else 0 end
        as in_numerator
from holders
left join on_leave
    on
        holders.period_start = on_leave.period_start
        and holders.week_start = on_leave.week_start
        and holders.person_id = on_leave.person_id
left join actions
    on
        holders.period_start = actions.period_start
        and holders.week_start = actions.week_start
        and holders.person_id = actions.person_id
{%- endmacro %}
