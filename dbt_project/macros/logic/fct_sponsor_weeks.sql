{# For each unit, the 13 whole ISO weeks up to the period's end of its sponsor in that week: the
   unit's own, else that of the nearest unit above it, else the executive sponsor, who is the
   sponsor of the whole. What counts is an action that people of the unit could see or hear: its
   audience is the unit or one above it; none stated is the sponsor's own unit. Whatever the
   executive sponsor does is seen by some of the whole. #}
{% macro fct_sponsor_weeks(grain) -%}
with

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

roots as (
    select distinct
        tree.period_start,
        tree.org_unit_id
    from tree
    where tree.depth = 0
),

candidates as (
    select
        weeks.period_start,
        weeks.week_start,
        tree.org_unit_id,
        weeks.person_id,
        weeks.is_on_leave,
        tree.depth = 0 as is_whole,
        rank() over (
            partition by weeks.period_start, weeks.week_start, tree.org_unit_id
            order by tree.distance, case when weeks.role = 'sponsor' then 0 else 1 end
        ) as nearness
    from {{ of_grain('int_leader_weeks', grain) }} as weeks
    inner join roots on weeks.period_start = roots.period_start
    inner join tree
        on weeks.period_start = tree.period_start and weeks.org_unit_id = tree.ancestor_id
    where
        (weeks.role = 'sponsor' and tree.depth > 0)
        or (weeks.role = 'executive_sponsor' and weeks.org_unit_id = roots.org_unit_id)
),

sponsors as (
    select candidates.*
    from candidates
    where candidates.nearness = 1
),

actions as (
    select
        sponsors.period_start,
        sponsors.week_start,
        sponsors.org_unit_id,
        sponsors.person_id,
        count(*) as actions,
        sum(
            case
                when
                    kinds.visibility in ('own_voice', 'in_person')
                    and (
                        sponsors.is_whole
                        or actions.audience_org_unit_id is null
                        or actions.audience_org_unit_id = '*'
                        or audience.ancestor_id is not null
                    )
                    then 1
                else 0
            end
        ) as visible_actions
    from sponsors
    inner join {{ ref('stg_lake__leader_actions') }} as actions
        on
            sponsors.person_id = actions.person_id
            and actions.happened_on
            between sponsors.week_start and {{ add_days('sponsors.week_start', 6) }}
    left join {{ ref('leader_action_kinds') }} as kinds on actions.kind = kinds.kind
    left join tree as audience
        on
            sponsors.period_start = audience.period_start
            and sponsors.org_unit_id = audience.org_unit_id
            and actions.audience_org_unit_id = audience.ancestor_id
    group by
        sponsors.period_start, sponsors.week_start, sponsors.org_unit_id, sponsors.person_id
)

select
    sponsors.period_start,
    sponsors.org_unit_id,
    sponsors.week_start,
    sponsors.person_id,
    cast(coalesce(actions.actions, 0) as bigint) as actions,
    cast(coalesce(actions.visible_actions, 0) as bigint) as visible_actions,
    1 - sponsors.is_on_leave as in_denominator,
    case when sponsors.is_on_leave = 0 and actions.visible_actions > 0 then 1 else 0 end
        as in_numerator
from sponsors
left join actions
    on
        sponsors.period_start = actions.period_start
        and sponsors.week_start = actions.week_start
        and sponsors.org_unit_id = actions.org_unit_id
        and sponsors.person_id = actions.person_id
{%- endmacro %}
