{# What is wrong with the governance at the period's end. Units with a programme, started or not,
   need a sponsor, an operator and a measurer, each with a deputy; an action of a running plan needs
   somebody who owns it; the rest holds of every role. #}
{% macro governance_faults(grain) -%}
{%- set deputy_steps = [1, 2, 4, 8] -%}
with

governance as (
    select * from {{ of_grain('governance', grain) }}
),

units as (
    select distinct
        tree.period_start,
        tree.org_unit_id,
        tree.depth
    from {{ of_grain('int_org_tree', grain) }} as tree
),

needed as (
    select distinct
        units.period_start,
        units.org_unit_id,
        units.depth,
        roles.role
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('programme') }} as programme
        on programme.valid_from <= periods.period_end
    inner join units
        on
            periods.period_start = units.period_start
            and (
                programme.org_unit_id = units.org_unit_id
                or (programme.org_unit_id = '*' and units.depth = 0)
            )
    cross join (
        select 'sponsor' as role
        union all
        select 'operator' as role
        union all
        select 'measurer' as role
    ) as roles
),

-- the executive sponsor is the whole's sponsor too
filled as (
    select
        needed.period_start,
        needed.org_unit_id,
        needed.role,
        governance.person_id,
        governance.deputy_person_id,
        governance.deputy_name,
        governance.deputy_is_active
    from needed
    inner join governance
        on
            needed.period_start = governance.period_start
            and needed.org_unit_id = governance.org_unit_id
            and (
                needed.role = governance.role
                or (
                    needed.role = 'sponsor'
                    and governance.role = 'executive_sponsor'
                    and needed.depth = 0
                )
            )
),

coverage as (
    select
        needed.period_start,
        needed.org_unit_id,
        needed.role,
        count(filled.person_id) as holders,
        max(filled.person_id) as person_id,
        count(filled.deputy_person_id) as deputies,
        max(case when filled.deputy_is_active then 1 else 0 end) as has_active_deputy
    from needed
    left join filled
        on
            needed.period_start = filled.period_start
            and needed.org_unit_id = filled.org_unit_id
            and needed.role = filled.role
    group by needed.period_start, needed.org_unit_id, needed.role
),

-- heads of units beneath own what is asked of unit heads
unit_heads as (
    select distinct
        tree.period_start,
        tree.ancestor_id as org_unit_id
    from governance
    inner join {{ of_grain('int_org_tree', grain) }} as tree
        on
            governance.period_start = tree.period_start
            and governance.org_unit_id = tree.org_unit_id
    where governance.role = 'unit_head'
),

-- roles that a running plan asks something of, and nobody holds; of several the first is meant
unheld as (
    select distinct
        plan.period_start,
        plan.org_unit_id,
        split_part(plan.owner_role, '|', 1) as role
    from {{ of_grain('leader_plan', grain) }} as plan
    left join {{ of_grain('int_role_holders', grain) }} as holders
        on
            plan.period_start = holders.period_start
            and plan.org_unit_id = holders.org_unit_id
            and concat('|', plan.owner_role, '|') like concat('%|', holders.role, '|%')
    left join unit_heads
        on
            plan.period_start = unit_heads.period_start
            and plan.org_unit_id = unit_heads.org_unit_id
            and concat('|', plan.owner_role, '|') like '%|unit_head|%'
    where holders.person_id is null and unit_heads.org_unit_id is null
),

-- nobody is appointed to a role that follows from the feeds
unowned as (
    select unheld.*
    from unheld
    left join needed
        on
            unheld.period_start = needed.period_start
            and unheld.org_unit_id = needed.org_unit_id
            and unheld.role = needed.role
    where
        needed.role is null
        and unheld.role not in ('manager', 'course_owner', 'feed_owner', 'affected_units')
),

crowded as (
    select
        governance.period_start,
        governance.org_unit_id,
        governance.role,
        count(distinct governance.person_id) as holders
    from governance
    where governance.role not in ('elt_member', 'manager_rep', 'competency_owner')
    group by governance.period_start, governance.org_unit_id, governance.role
    having count(distinct governance.person_id) > 1
),

stand_ins as (
    select distinct
        governance.period_start,
        governance.role,
        governance.person_id,
        governance.deputy_person_id
    from governance
    where governance.deputy_person_id is not null
),

-- who acts for somebody in the end, each round over twice as many steps
{%- for steps in deputy_steps %}
acts_within_{{ steps }} as (
{%- if steps == 1 %}
    select * from stand_ins
{%- else %}
{%- set before = 'acts_within_' ~ (steps // 2) %}
    select * from {{ before }}
    union
    select
        nearer.period_start,
        nearer.role,
        nearer.person_id,
        farther.deputy_person_id
    from {{ before }} as nearer
    inner join {{ before }} as farther
        on
            nearer.period_start = farther.period_start
            and nearer.role = farther.role
            and nearer.deputy_person_id = farther.person_id
{%- endif %}
),
{% endfor %}
circles as (
    select
        stand_ins.period_start,
        stand_ins.role,
        stand_ins.person_id,
        stand_ins.deputy_person_id,
        case
            when stand_ins.deputy_person_id = stand_ins.person_id
                then 'deputises for themselves'
            when back.person_id is not null then 'deputises for their own deputy'
            else 'stands in a circle of deputies'
        end as detail
    from stand_ins
    inner join acts_within_{{ deputy_steps[-1] }} as acts
        on
            stand_ins.period_start = acts.period_start
            and stand_ins.role = acts.role
            and stand_ins.person_id = acts.person_id
            and stand_ins.person_id = acts.deputy_person_id
    left join stand_ins as back
        on
            stand_ins.period_start = back.period_start
            and stand_ins.role = back.role
            and stand_ins.deputy_person_id = back.person_id
            and stand_ins.person_id = back.deputy_person_id
)

select
    coverage.period_start,
    coverage.org_unit_id,
    coverage.role,
    'vacant' as fault,
    cast(null as string) as person_id,
    'nobody is named' as detail
from coverage
where coverage.holders = 0

union all
select
    unowned.period_start,
    unowned.org_unit_id,
    unowned.role,
    'vacant' as fault,
    cast(null as string) as person_id,
    'nobody owns its actions of the plan' as detail
from unowned

union all
select
    coverage.period_start,
    coverage.org_unit_id,
    coverage.role,
    'no_deputy' as fault,
    coverage.person_id,
    case when coverage.deputies = 0 then 'no deputy is named' else 'the deputy is not there' end
        as detail
from coverage
where coverage.holders > 0 and coverage.has_active_deputy = 0

union all
select
    governance.period_start,
    governance.org_unit_id,
    governance.role,
    'two_holders' as fault,
    governance.person_id,
    concat(cast(crowded.holders as string), ' people hold a role that one may hold') as detail
from governance
inner join crowded
    on
        governance.period_start = crowded.period_start
        and governance.org_unit_id = crowded.org_unit_id
        and governance.role = crowded.role

union all
select distinct
    governance.period_start,
    governance.org_unit_id,
    governance.role,
    'circular_deputy' as fault,
    governance.person_id,
    circles.detail
from governance
inner join circles
    on
        governance.period_start = circles.period_start
        and governance.role = circles.role
        and governance.person_id = circles.person_id
        and governance.deputy_person_id = circles.deputy_person_id

union all
select
    governance.period_start,
    governance.org_unit_id,
    governance.role,
    'holder_left' as fault,
    governance.person_id,
    case
        when governance.deputy_person_id is null then 'not employed, and no deputy is named'
        else 'not employed, and the deputy is not there either'
    end as detail
from governance
inner join {{ of_grain('int_people', grain) }} as people
    on
        governance.period_start = people.period_start
        and governance.person_id = people.person_id
where
    not governance.is_active
    and not governance.deputy_is_active

union all
select
    governance.period_start,
    governance.org_unit_id,
    governance.role,
    'unknown_person' as fault,
    governance.person_id,
    'the holder is not in the people feed' as detail
from governance
left join {{ of_grain('int_people', grain) }} as people
    on
        governance.period_start = people.period_start
        and governance.person_id = people.person_id
where people.person_id is null

union all
select distinct
    governance.period_start,
    governance.org_unit_id,
    governance.role,
    'unknown_person' as fault,
    governance.deputy_person_id as person_id,
    'the deputy is not in the people feed' as detail
from governance
left join {{ of_grain('int_people', grain) }} as people
    on
        governance.period_start = people.period_start
        and governance.deputy_person_id = people.person_id
where governance.deputy_person_id is not null and people.person_id is null
{%- endmacro %}
