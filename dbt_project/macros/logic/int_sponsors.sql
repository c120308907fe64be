{# Who sponsors learning in which unit, since when, where the programme has started.

   A sponsor that only the unit's record names counts for a unit of the programme, or when that
   person is of the executive team or a senior leader: the head of every small team in the records
   is no sponsor of the programme. A unit with the same sponsor as one above it has none of its
   own. #}
{% macro int_sponsors(grain) -%}
with

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

-- a unit without a launch of its own starts with the nearest above it
launches as (
    select
        tree.period_start,
        tree.org_unit_id,
        programme.launch_on,
        programme.is_launched,
        case when tree.distance = 0 then 1 else 0 end as is_named,
        row_number() over (
            partition by tree.period_start, tree.org_unit_id
            order by tree.distance
        ) as nearness
    from tree
    inner join {{ of_grain('int_programme_units', grain) }} as programme
        on
            tree.period_start = programme.period_start
            and tree.ancestor_id = programme.org_unit_id
),

sponsors as (
    select
        governance.period_start,
        governance.org_unit_id,
        governance.person_id,
        min(spans.held_from) as in_role_from,
        min(launches.launch_on) as launch_on
    from {{ of_grain('governance', grain) }} as governance
    inner join launches
        on
            governance.period_start = launches.period_start
            and governance.org_unit_id = launches.org_unit_id
            and launches.nearness = 1
            and launches.is_launched = 1
    inner join {{ of_grain('int_people', grain) }} as people
        on
            governance.period_start = people.period_start
            and governance.person_id = people.person_id
    inner join {{ of_grain('int_role_spans', grain) }} as spans
        on
            governance.period_start = spans.period_start
            and governance.role = spans.role
            and governance.org_unit_id = spans.org_unit_id
            and governance.person_id = spans.person_id
            and people.period_end >= spans.held_from
            and people.period_end < spans.held_until
    where
        governance.role in ('sponsor', 'executive_sponsor')
        and governance.is_active
        and (
            spans.is_by_charter
            or launches.is_named = 1
            or people.leader_level in ('elt', 'senior')
        )
    group by governance.period_start, governance.org_unit_id, governance.person_id
),

-- one person's silence is one warning, at the topmost unit
of_a_unit_above as (
    select distinct
        beneath.period_start,
        beneath.org_unit_id,
        beneath.person_id
    from sponsors as beneath
    inner join tree
        on
            beneath.period_start = tree.period_start
            and beneath.org_unit_id = tree.org_unit_id
            and tree.distance > 0
    inner join sponsors as above
        on
            tree.period_start = above.period_start
            and tree.ancestor_id = above.org_unit_id
            and beneath.person_id = above.person_id
)

select
    sponsors.period_start,
    sponsors.org_unit_id,
    sponsors.person_id,
    sponsors.in_role_from,
    sponsors.launch_on
from sponsors
left join of_a_unit_above
    on
        sponsors.period_start = of_a_unit_above.period_start
        and sponsors.org_unit_id = of_a_unit_above.org_unit_id
        and sponsors.person_id = of_a_unit_above.person_id
where of_a_unit_above.person_id is null
{%- endmacro %}
