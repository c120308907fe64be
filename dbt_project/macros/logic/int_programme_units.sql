{# Units that the programme names, and the whole where it names all ('*'), with their launch. #}
{% macro int_programme_units(grain) -%}
with

named as (
    select
        periods.period_start,
        periods.period_end,
        tree.org_unit_id,
        programme.launch_on,
        row_number() over (
            partition by periods.period_start, tree.org_unit_id
            order by
                case when programme.org_unit_id = '*' then 1 else 0 end,
                programme.valid_from desc
        ) as priority
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('programme') }} as programme
        on programme.valid_from <= periods.period_end
    inner join {{ of_grain('int_org_tree', grain) }} as tree
        on
            periods.period_start = tree.period_start
            and tree.distance = 0
            and (
                programme.org_unit_id = tree.org_unit_id
                or (programme.org_unit_id = '*' and tree.depth = 0)
            )
)

select
    named.period_start,
    named.org_unit_id,
    named.launch_on,
    case when named.launch_on <= named.period_end then 1 else 0 end as is_launched
from named
where named.priority = 1
{%- endmacro %}
