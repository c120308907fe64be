{# Eligible people and whether they learned in the 90 days up to the period's end. A quarter has 90 days
   at least: so a day speaks for its own only. #}
{% macro fct_seat_use(grain) -%}
with

learning as (
    select
        periods.period_start,
        days.person_id,
        max(days.event_day) as last_learned_on
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('fct_course_day') }} as days
        on
            periods.period_start = {{ start_of(grain, 'days.event_day') }}
            and days.event_day > {{ add_days('periods.period_end', -90) }}
    where
        days.learning_events > 0
        and days.event_day between
        {{ first_day_of_build(grain, days_before_end=89) }} and {{ last_day_of_build(grain) }}
    group by periods.period_start, days.person_id
)

select
    population.period_start,
    population.org_unit_id,
    population.employment_line,
    population.person_id,
    learning.last_learned_on,
    case when learning.person_id is null then 0 else 1 end as in_numerator
from {{ of_grain('int_population', grain) }} as population
left join learning
    on
        population.period_start = learning.period_start
        and population.person_id = learning.person_id
where population.is_eligible
{%- endmacro %}
