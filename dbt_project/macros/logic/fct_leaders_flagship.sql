{# Members of the executive leadership team and their first completion of a flagship course. #}
{% macro fct_leaders_flagship(grain) -%}
select
    population.period_start,
    population.org_unit_id,
    population.employment_line,
    population.person_id,
    completions.first_completed_on,
    1 as in_denominator,
    case when completions.first_completed_on is null then 0 else 1 end as in_numerator
from {{ of_grain('int_population', grain) }} as population
left join {{ of_grain('int_flagship_completions', grain) }} as completions
    on
        population.period_start = completions.period_start
        and population.person_id = completions.person_id
where population.is_eligible and population.leader_level = 'elt'
{%- endmacro %}
