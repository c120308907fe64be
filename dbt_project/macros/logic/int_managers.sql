{# Managers at the period's end: who has a report that is employed, or is a manager by level. #}
{% macro int_managers(grain) -%}
with

active as (
    select people.*
    from {{ of_grain('int_people', grain) }} as people
    where
        (people.hired_on is null or people.hired_on <= people.period_end)
        and (people.left_on is null or people.left_on > people.period_end)
),

reports as (
    select
        active.period_start,
        active.manager_id as person_id,
        count(*) as reports
    from active
    where active.manager_id <> active.person_id
    group by active.period_start, active.manager_id
)

select
    active.period_start,
    active.person_id,
    active.org_unit_id,
    cast(coalesce(reports.reports, 0) as bigint) as reports,
    coalesce(population.is_eligible, false) and active.employment_line = 'employee' as is_counted
from active
left join reports
    on active.period_start = reports.period_start and active.person_id = reports.person_id
left join {{ of_grain('int_population', grain) }} as population
    on active.period_start = population.period_start and active.person_id = population.person_id
where reports.reports > 0 or active.leader_level = 'manager'
{%- endmacro %}
