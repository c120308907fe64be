{# Every unit of a period with each of its ancestors, itself included. Unrolled joins: both engines
   read them, and a cycle ends after the last level instead of running for ever. #}
{% macro int_org_tree(grain) -%}
{%- set levels = 12 -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

named_units as (
    select
        periods.period_start,
        units.org_unit_id,
        units.parent_org_unit_id
    from periods
    inner join {{ ref('stg_lake__org_units') }} as units
        on {{ holds_on('units', 'periods.period_end') }}
),

units as (
    select * from named_units
    union all
    -- before the first snapshot there is still a whole
    select
        periods.period_start,
        'whole' as org_unit_id,
        cast(null as string) as parent_org_unit_id
    from periods
    where periods.period_start not in (select named_units.period_start from named_units)
),

level_0 as (
    select
        units.period_start,
        units.org_unit_id,
        units.org_unit_id as ancestor_id,
        units.parent_org_unit_id as next_id
    from units
),
{% for level in range(1, levels + 1) %}
level_{{ level }} as (
    select
        below.period_start,
        below.org_unit_id,
        units.org_unit_id as ancestor_id,
        units.parent_org_unit_id as next_id
    from level_{{ level - 1 }} as below
    inner join units
        on below.period_start = units.period_start and below.next_id = units.org_unit_id
),
{% endfor %}
tree as (
{%- for level in range(0, levels + 1) %}
    select
        period_start,
        org_unit_id,
        ancestor_id,
        {{ level }} as distance
    from level_{{ level }}
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}
)

select
    tree.period_start,
    tree.org_unit_id,
    tree.ancestor_id,
    cast(tree.distance as integer) as distance,
    cast(max(tree.distance) over (partition by tree.period_start, tree.org_unit_id) as integer)
        as depth
from tree
{%- endmacro %}
