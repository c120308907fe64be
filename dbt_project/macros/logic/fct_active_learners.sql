{# Learning of each person of the population in the period. #}
{% macro fct_active_learners(grain) -%}
with

learning as (
    select
        {{ start_of(grain, 'days.event_day') }} as period_start,
        days.person_id,
        sum(days.learning_events) as learning_events,
        sum(case when days.is_mandatory then 0 else days.learning_events end) as voluntary_events,
        sum(days.learning_seconds) as learning_seconds
    from {{ ref('fct_course_day') }} as days
    where
        days.learning_events > 0
        and days.event_day between {{ first_day_of_build(grain) }} and {{ last_day_of_build(grain) }}
    group by {{ start_of(grain, 'days.event_day') }}, days.person_id
)

select
    population.period_start,
    population.org_unit_id,
    population.employment_line,
    population.person_id,
    cast(coalesce(learning.learning_events, 0) as bigint) as learning_events,
    cast(coalesce(learning.voluntary_events, 0) as bigint) as voluntary_events,
    cast(coalesce(learning.learning_events - learning.voluntary_events, 0) as bigint)
        as mandatory_events,
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
