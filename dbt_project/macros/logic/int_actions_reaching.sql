{# What leaders did for the people of each unit that warnings look at: units whose programme has
   started and units with a sponsor of their own. An action reaches a unit when its audience is the
   unit, a unit above or beneath it; without a known audience it is for the leader's own unit and
   for those the leader sponsors.

   Warnings ask when a leader last did something, and what was done in the last weeks: so only the
   newest of what one leader did for one audience is kept of the time before, and a build does not
   grow with the square of history. #}
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

kept_weeks as (
    select max(warnings.value) as weeks
    from {{ ref('early_warnings') }} as warnings
    where warnings.parameter = 'weeks_with_one_function_only'
),

-- all actions from this day on are kept
recent as (
    select
        recorded.period_start,
        {{ add_days('recorded.last_week_start', '-7 * kept_weeks.weeks') }} as recent_from
    from {{ of_grain('int_recorded_weeks', grain) }} as recorded
    cross join kept_weeks
),

seen as (
    select
        actions.action_id,
        actions.person_id,
        actions.kind,
        actions.audience_org_unit_id,
        actions.happened_on,
        case when kinds.visibility in ('own_voice', 'in_person') then 1 else 0 end as is_visible
    from {{ ref('stg_lake__leader_actions') }} as actions
    left join {{ ref('leader_action_kinds') }} as kinds on actions.kind = kinds.kind
),

-- until when an action is the newest of its leader, audience and visibility
newest as (
    select
        seen.*,
        lead(seen.happened_on) over (
            partition by seen.person_id, seen.audience_org_unit_id, seen.is_visible
            order by seen.happened_on, seen.action_id
        ) as next_on
    from seen
),

actions as (
    select
        periods.period_start,
        newest.action_id,
        newest.person_id,
        newest.kind,
        newest.happened_on,
        functions.function_id,
        newest.is_visible,
        people.org_unit_id as own_unit_id,
        case
            when newest.audience_org_unit_id = '*' then roots.org_unit_id
            else audiences.org_unit_id
        end as audience_id
    from periods
    inner join roots on periods.period_start = roots.period_start
    left join recent on periods.period_start = recent.period_start
    inner join newest
        on
            newest.happened_on <= periods.period_end
            and (
                newest.next_on is null
                or newest.next_on > periods.period_end
                or newest.happened_on >= recent.recent_from
            )
    left join {{ of_grain('int_people', grain) }} as people
        on
            periods.period_start = people.period_start
            and newest.person_id = people.person_id
    left join functions
        on
            people.period_start = functions.period_start
            and people.org_unit_id = functions.org_unit_id
    left join tree as audiences
        on
            periods.period_start = audiences.period_start
            and newest.audience_org_unit_id = audiences.org_unit_id
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
