{# Periods whose eligible and excluded people are not everyone employed in it or announced.
   Tests of a grain read models of that grain only: dbt would run them with any other group too. #}
{% macro everyone_is_accounted_for(grain) -%}
with

known as (
    select
        period_start,
        employment_line,
        count(*) as people
    from {{ of_grain('int_people', grain) }}
    where left_on is null or left_on >= period_start
    group by period_start, employment_line
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
    eligible.people as eligible_people,
    excluded.people as excluded_people
from known
left join eligible
    on
        known.period_start = eligible.period_start
        and known.employment_line = eligible.employment_line
left join excluded
    on
        known.period_start = excluded.period_start
        and known.employment_line = excluded.employment_line
where
    known.people
    <> coalesce(eligible.people, 0) + coalesce(excluded.people, 0)
{%- endmacro %}
