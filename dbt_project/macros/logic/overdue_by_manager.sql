{# People overdue with mandatory learning in the line beneath each manager, the manager left out.
   Unrolled joins, as in int_org_tree: both engines read them, and a circle ends after the last. #}
{% macro overdue_by_manager(grain) -%}
{%- set levels = 12 -%}
with

active as (
    select
        people.period_start,
        people.person_id,
        people.org_unit_id,
        people.manager_id
    from {{ of_grain('int_people', grain) }} as people
    where
        (people.hired_on is null or people.hired_on <= people.period_end)
        and (people.left_on is null or people.left_on > people.period_end)
),

overdue as (
    select
        overdue.period_start,
        overdue.person_id
    from {{ of_grain('fct_mandatory_overdue', grain) }} as overdue
    where overdue.in_numerator = 1 and overdue.employment_line = 'employee'
),

-- a tenth of everybody, joined for each level
leads as (
    select
        active.period_start,
        active.person_id,
        active.org_unit_id,
        active.manager_id
    from active
    inner join {{ of_grain('int_managers', grain) }} as managers
        on active.period_start = managers.period_start and active.person_id = managers.person_id
),

level_1 as (
    select
        overdue.period_start,
        overdue.person_id,
        active.manager_id
    from overdue
    inner join active
        on overdue.period_start = active.period_start and overdue.person_id = active.person_id
    where active.manager_id is not null
),
{% for level in range(2, levels + 1) %}
level_{{ level }} as (
    select
        beneath.period_start,
        beneath.person_id,
        leads.manager_id
    from level_{{ level - 1 }} as beneath
    inner join leads
        on beneath.period_start = leads.period_start and beneath.manager_id = leads.person_id
    where leads.manager_id is not null
),
{% endfor %}
lines as (
{%- for level in range(1, levels + 1) %}
    select
        period_start,
        person_id,
        manager_id,
        {{ level }} as distance
    from level_{{ level }}
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}
)

select
    lines.period_start,
    lines.manager_id,
    managers.org_unit_id,
    cast(count(distinct lines.person_id) as bigint) as people,
    cast(count(distinct case when lines.distance = 1 then lines.person_id end) as bigint)
        as direct_reports
from lines
inner join leads as managers
    on lines.period_start = managers.period_start and lines.manager_id = managers.person_id
where lines.manager_id <> lines.person_id
group by lines.period_start, lines.manager_id, managers.org_unit_id
{%- endmacro %}
