{# Periods whose eligible and excluded people are not everyone in the snapshots of the period. #}
{% macro everyone_is_accounted_for(grain) -%}
with

known as (
    select
        periods.period_start,
        people.employment_line,
        count(distinct people.person_id) as people
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('stg_lake__people') }} as people
        on
            {{ holds_on('people', 'periods.period_end') }}
            and (people.left_on is null or people.left_on >= periods.period_start)
    group by periods.period_start, people.employment_line
),

-- those who were in the snapshots during the period and are no longer
vanished as (
    select
        population.period_start,
        population.employment_line,
        count(*) as people
    from {{ of_grain('int_population', grain) }} as population
    inner join {{ of_grain('stg_control__periods', grain) }} as periods
        on population.period_start = periods.period_start
    left join {{ ref('stg_lake__people') }} as people
        on
            population.person_id = people.person_id
            and {{ holds_on('people', 'periods.period_end') }}
    where people.person_id is null
    group by population.period_start, population.employment_line
),

eligible as (
    select
        period_start,
        employment_line,
        count(*) as people
    from {{ of_grain('int_population', grain) }}
    where is_eligible
    group by period_start, employment_line
),

excluded as (
    select
        exclusions.period_start,
        exclusions.employment_line,
        sum(exclusions.people) as people
    from {{ of_grain('exclusions', grain) }} as exclusions
    inner join {{ of_grain('org_units', grain) }} as units
        on
            exclusions.period_start = units.period_start
            and exclusions.org_unit_id = units.org_unit_id
    where units.depth = 0
    group by exclusions.period_start, exclusions.employment_line
)

select
    known.period_start,
    known.employment_line,
    known.people as known_people,
    vanished.people as vanished_people,
    eligible.people as eligible_people,
    excluded.people as excluded_people
from known
left join vanished
    on
        known.period_start = vanished.period_start
        and known.employment_line = vanished.employment_line
left join eligible
    on
        known.period_start = eligible.period_start
        and known.employment_line = eligible.employment_line
left join excluded
    on
        known.period_start = excluded.period_start
        and known.employment_line = excluded.employment_line
where
    known.people + coalesce(vanished.people, 0)
    <> coalesce(eligible.people, 0) + coalesce(excluded.people, 0)
{%- endmacro %}
