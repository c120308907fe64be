{# What leaders did for the people of each unit that warnings look at: units whose programme has
   started and units with a sponsor of their own. An action reaches a unit when its audience is the
   unit, a unit above or beneath it; without a known audience it is for the leader's own unit and
   for those the leader sponsors. #}
{% macro int_actions_reaching(grain) -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

watched as (
    select
        period_start,
        org_unit_id,
        launch_on
    from {{ of_grain('int_programme_units', grain) }}
    where is_launched = 1
    union
    select
        period_start,
        org_unit_id,
        launch_on
    from {{ of_grain('int_sponsors', grain) }}
),

lines as (
    select
        watched.period_start,
        watched.org_unit_id,
        watched.launch_on,
        tree.ancestor_id as audience_id
    from watched
    inner join tree
        on watched.period_start = tree.period_start and watched.org_unit_id = tree.org_unit_id
    union
    select
        watched.period_start,
        watched.org_unit_id,
        watched.launch_on,
        tree.org_unit_id as audience_id
    from watched
    inner join tree
        on watched.period_start = tree.period_start and watched.org_unit_id = tree.ancestor_id
),

roots as (
    select
        tree.period_start,
        min(tree.org_unit_id) as org_unit_id
    from tree
    where tree.depth = 0
    group by tree.period_start
),

-- a person's function: the unit right beneath the whole that they belong to
functions as (
    select
        tree.period_start,
        tree.org_unit_id,
        tree.ancestor_id as function_id
    from tree
    where tree.depth > 0 and tree.distance = tree.depth - 1
),

actions as (
    select
        periods.period_start,
        actions.action_id,
        actions.person_id,
        actions.kind,
        actions.happened_on,
        functions.function_id,
        case when kinds.visibility in ('own_voice', 'in_person') then 1 else 0 end as is_visible,
        people.org_unit_id as own_unit_id,
        case
            when actions.audience_org_unit_id = '*' then roots.org_unit_id
            else audiences.org_unit_id
        end as audience_id
    from periods
    inner join roots on periods.period_start = roots.period_start
    inner join {{ ref('stg_lake__leader_actions') }} as actions
        on actions.happened_on <= periods.period_end
    left join {{ ref('leader_action_kinds') }} as kinds on actions.kind = kinds.kind
    left join {{ of_grain('int_people', grain) }} as people
        on
            periods.period_start = people.period_start
            and actions.person_id = people.person_id
    left join functions
        on
            people.period_start = functions.period_start
            and people.org_unit_id = functions.org_unit_id
    left join tree as audiences
        on
            periods.period_start = audiences.period_start
            and actions.audience_org_unit_id = audiences.org_unit_id
            and audiences.distance = 0
),

addressed as (
    select
        actions.period_start,
        actions.action_id,
        actions.audience_id
    from actions
    where actions.audience_id is not null
    union
    select
        actions.period_start,
        actions.action_id,
        coalesce(actions.own_unit_id, roots.org_unit_id) as audience_id
    from actions
    inner join roots on actions.period_start = roots.period_start
    where actions.audience_id is null
    union
    select
        actions.period_start,
        actions.action_id,
        sponsors.org_unit_id as audience_id
    from actions
    inner join {{ of_grain('int_sponsors', grain) }} as sponsors
        on
            actions.period_start = sponsors.period_start
            and actions.person_id = sponsors.person_id
    where actions.audience_id is null
),

reached as (
    select distinct
        addressed.period_start,
        addressed.action_id,
        lines.org_unit_id,
        lines.launch_on
    from addressed
    inner join lines
        on
            addressed.period_start = lines.period_start
            and addressed.audience_id = lines.audience_id
)

select
    actions.period_start,
    reached.org_unit_id,
    actions.action_id,
    actions.person_id,
    actions.kind,
    actions.is_visible,
    actions.function_id,
    actions.happened_on,
    {{ start_of('week', 'actions.happened_on') }} as week_start
from actions
inner join reached
    on actions.period_start = reached.period_start and actions.action_id = reached.action_id
where actions.happened_on >= {{ start_of('week', 'reached.launch_on') }}
{%- endmacro %}
