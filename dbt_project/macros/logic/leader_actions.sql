{# Actions of the named leaders, from the earlier of the period's first day and the first of the 13
   whole weeks up to its end, and whether each reached the unit they lead: its audience is that
   unit, one above or one beneath it. No audience stated is the unit they lead. #}
{% macro leader_actions(grain) -%}
with

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

leaders as (
    select distinct
        leaders.period_start,
        leaders.person_id,
        leaders.org_unit_id,
        tree.depth = 0 as is_whole
    from {{ of_grain('named_leaders', grain) }} as leaders
    inner join tree
        on
            leaders.period_start = tree.period_start
            and leaders.org_unit_id = tree.org_unit_id
            and tree.distance = 0
)

select
    leaders.period_start,
    actions.action_id,
    leaders.person_id,
    leaders.org_unit_id,
    actions.kind,
    coalesce(kinds.visibility, 'none') as visibility,
    actions.audience_org_unit_id,
    actions.message_id,
    actions.happened_on,
    case
        when
            leaders.is_whole
            or actions.audience_org_unit_id is null
            or actions.audience_org_unit_id = '*'
            or above.ancestor_id is not null
            or beneath.ancestor_id is not null
            then 1
        else 0
    end as reaches_unit
from leaders
inner join {{ of_grain('stg_control__periods', grain) }} as periods
    on leaders.period_start = periods.period_start
inner join {{ ref('stg_lake__leader_actions') }} as actions
    on
        leaders.person_id = actions.person_id
        and actions.happened_on <= periods.period_end
        and actions.happened_on >= least(
            periods.period_start, {{ add_days(monday_after('periods.period_end'), -91) }}
        )
left join {{ ref('leader_action_kinds') }} as kinds on actions.kind = kinds.kind
left join tree as above
    on
        leaders.period_start = above.period_start
        and leaders.org_unit_id = above.org_unit_id
        and actions.audience_org_unit_id = above.ancestor_id
left join tree as beneath
    on
        leaders.period_start = beneath.period_start
        and actions.audience_org_unit_id = beneath.org_unit_id
        and leaders.org_unit_id = beneath.ancestor_id
{%- endmacro %}
