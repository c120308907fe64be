{# Learning of each person of the population in the period. #}
{% macro fct_active_learners(grain) -%}
with

learning as (
    select
        periods.period_start,
        days.person_id,
        sum(days.learning_events) as learning_events,
        sum(days.voluntary_events) as voluntary_events,
        sum(days.mandatory_events) as mandatory_events,
        sum(days.learning_seconds) as learning_seconds
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('fct_person_day') }} as days
        on periods.period_start = {{ start_of(grain, 'days.event_day') }}
    where days.event_day >= {{ first_day_of_build(grain) }}
    group by periods.period_start, days.person_id
)

select
    population.period_start,
    population.org_unit_id,
    population.employment_line,
    population.person_id,
    cast(coalesce(learning.learning_events, 0) as bigint) as learning_events,
    cast(coalesce(learning.voluntary_events, 0) as bigint) as voluntary_events,
    cast(coalesce(learning.mandatory_events, 0) as bigint) as mandatory_events,
    cast(coalesce(learning.learning_seconds, 0) as bigint) as learning_seconds,
    1 as in_denominator,
    case when learning.voluntary_events > 0 then 1 else 0 end as in_numerator,
    case when learning.learning_events > 0 then 1 else 0 end as in_numerator_total
from {{ of_grain('int_population', grain) }} as population
left join learning
    on
        population.period_start = learning.period_start
        and population.person_id = learning.person_id
where population.is_eligible
{%- endmacro %}
