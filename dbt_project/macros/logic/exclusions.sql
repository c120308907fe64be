{# People left out of the population, by reason, summed up the tree. #}
{% macro exclusions(grain) -%}
select
    population.period_start,
    tree.ancestor_id as org_unit_id,
    population.employment_line,
    population.exclusion_reason as reason,
    cast(count(*) as bigint) as people
from {{ of_grain('int_population', grain) }} as population
inner join {{ of_grain('int_org_tree', grain) }} as tree
    on
        population.period_start = tree.period_start
        and population.org_unit_id = tree.org_unit_id
where not population.is_eligible
group by
    population.period_start,
    tree.ancestor_id,
    population.employment_line,
    population.exclusion_reason
{%- endmacro %}
