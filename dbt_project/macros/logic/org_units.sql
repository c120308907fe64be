{# The units of a period, with the people in them and beneath them. #}
{% macro org_units(grain) -%}
with

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

heads as (
    select
        population.period_start,
        tree.ancestor_id as org_unit_id,
        -- who has left or not yet come is nobody's head
        sum(
            case
                when coalesce(population.exclusion_reason, '') in ('left', 'not_yet_hired') then 0
                else 1
            end
        ) as headcount,
        sum(case when population.is_eligible then 1 else 0 end) as eligible
    from {{ of_grain('int_population', grain) }} as population
    inner join tree
        on
            population.period_start = tree.period_start
            and population.org_unit_id = tree.org_unit_id
    where population.employment_line = 'employee'
    group by population.period_start, tree.ancestor_id
)

select
    tree.period_start,
    tree.org_unit_id,
    coalesce(units.name, case when tree.depth = 0 then settings.organisation end, tree.org_unit_id)
        as name,
    units.parent_org_unit_id,
    tree.depth,
    units.sponsor_person_id,
    cast(coalesce(heads.headcount, 0) as bigint) as headcount,
    cast(coalesce(heads.eligible, 0) as bigint) as eligible
from tree
inner join {{ of_grain('stg_control__periods', grain) }} as periods
    on tree.period_start = periods.period_start
cross join {{ ref('stg_control__settings') }} as settings
left join {{ ref('stg_lake__org_units') }} as units
    on
        tree.org_unit_id = units.org_unit_id
        and {{ holds_on('units', 'periods.period_end') }}
left join heads
    on
        tree.period_start = heads.period_start
        and tree.org_unit_id = heads.org_unit_id
where tree.distance = 0
{%- endmacro %}
