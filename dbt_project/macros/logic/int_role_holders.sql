{# Who holds each role for each unit at the period's end: the holders at the unit itself, else at
   the nearest unit above it. Where no sponsor is named on the way up, the executive sponsor of the
   whole is the unit's sponsor. #}
{% macro int_role_holders(grain) -%}
with

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

governance as (
    select * from {{ of_grain('governance', grain) }}
),

roots as (
    select distinct
        tree.period_start,
        tree.org_unit_id
    from tree
    where tree.depth = 0
),

held as (
    select
        governance.period_start,
        governance.role,
        governance.org_unit_id,
        governance.person_id,
        governance.full_name,
        governance.is_active,
        governance.deputy_person_id,
        governance.deputy_name,
        governance.deputy_is_active
    from governance
    union all
    select
        executives.period_start,
        'sponsor' as role,
        executives.org_unit_id,
        executives.person_id,
        executives.full_name,
        executives.is_active,
        executives.deputy_person_id,
        executives.deputy_name,
        executives.deputy_is_active
    from governance as executives
    inner join roots
        on
            executives.period_start = roots.period_start
            and executives.org_unit_id = roots.org_unit_id
    left join governance as sponsors
        on
            executives.period_start = sponsors.period_start
            and executives.org_unit_id = sponsors.org_unit_id
            and sponsors.role = 'sponsor'
    where executives.role = 'executive_sponsor' and sponsors.role is null
),

placed as (
    select
        tree.period_start,
        tree.org_unit_id,
        held.role,
        held.person_id,
        held.full_name,
        held.is_active,
        held.deputy_person_id,
        held.deputy_name,
        held.deputy_is_active,
        held.org_unit_id as held_for_org_unit_id,
        rank() over (
            partition by tree.period_start, tree.org_unit_id, held.role order by tree.distance
        ) as nearness
    from tree
    inner join held
        on tree.period_start = held.period_start and tree.ancestor_id = held.org_unit_id
)

select
    placed.period_start,
    placed.org_unit_id,
    placed.role,
    placed.person_id,
    placed.full_name,
    placed.is_active,
    placed.deputy_person_id,
    placed.deputy_name,
    placed.deputy_is_active,
    placed.held_for_org_unit_id
from placed
where placed.nearness = 1
{%- endmacro %}
