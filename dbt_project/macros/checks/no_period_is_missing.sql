{# Periods without one whole, with units that hang on nothing, or with a KPI of the whole missing. #}
{% macro no_period_is_missing(grain) -%}
with

units as (
    select
        periods.period_start,
        count(distinct tree.org_unit_id) as units,
        count(distinct case when tree.depth = 0 then tree.org_unit_id end) as roots
    from {{ of_grain('stg_control__periods', grain) }} as periods
    left join {{ of_grain('int_org_tree', grain) }} as tree
        on periods.period_start = tree.period_start
    group by periods.period_start
),

beneath as (
    select
        tree.period_start,
        count(distinct tree.org_unit_id) as units
    from {{ of_grain('int_org_tree', grain) }} as tree
    inner join {{ of_grain('org_units', grain) }} as wholes
        on
            tree.period_start = wholes.period_start
            and tree.ancestor_id = wholes.org_unit_id
            and wholes.depth = 0
            and wholes.parent_org_unit_id is null
    group by tree.period_start
),

expected as (
    select
        catalogue.period_start,
        count(*) as kpis
    from {{ of_grain('kpi_catalogue', grain) }} as catalogue
    where concat('|', catalogue.grains, '|') like '%|{{ grain }}|%'
    group by catalogue.period_start
),

found as (
    select
        figures.period_start,
        count(distinct figures.kpi_id) as kpis
    from {{ of_grain('kpi_values', grain) }} as figures
    inner join {{ of_grain('org_units', grain) }} as wholes
        on
            figures.period_start = wholes.period_start
            and figures.org_unit_id = wholes.org_unit_id
            and wholes.depth = 0
    group by figures.period_start
)

select
    units.period_start,
    units.roots,
    units.units,
    beneath.units as units_beneath_the_whole,
    expected.kpis as kpis_of_the_catalogue,
    found.kpis
from units
left join beneath on units.period_start = beneath.period_start
left join expected on units.period_start = expected.period_start
left join found on units.period_start = found.period_start
where
    units.roots <> 1
    or coalesce(beneath.units, 0) <> units.units
    or coalesce(expected.kpis, 0) = 0
    or coalesce(found.kpis, 0) <> coalesce(expected.kpis, 0)
{%- endmacro %}
