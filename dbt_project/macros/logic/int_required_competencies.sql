{# Competencies that each person's role or unit requires, as of the period's end (of leaving, for
   those who have left), with the day the person's clock started. #}
{% macro int_required_competencies(grain) -%}
with

people as (
    select
        people.*,
        least(people.period_end, coalesce(people.left_on, people.period_end)) as as_of_on
    from {{ of_grain('int_people', grain) }} as people
),

units_of_people as (
    -- the requirement of a unit holds for the units beneath it
    select
        tree.period_start,
        tree.org_unit_id,
        tree.ancestor_id
    from {{ of_grain('int_org_tree', grain) }} as tree
    union all
    select distinct
        tree.period_start,
        tree.org_unit_id,
        '*' as ancestor_id
    from {{ of_grain('int_org_tree', grain) }} as tree
),

required as (
    select
        people.period_start,
        people.person_id,
        requirements.competency_id,
        min(requirements.valid_from) as required_from,
        min_by(requirements.grace_days, requirements.valid_from) as grace_days
    from people
    inner join units_of_people
        on
            people.period_start = units_of_people.period_start
            and people.org_unit_id = units_of_people.org_unit_id
    inner join {{ ref('role_requirements') }} as requirements
        on
            units_of_people.ancestor_id = requirements.org_unit_id
            and (requirements.job_role = '*' or requirements.job_role = people.job_role)
            and {{ holds_on('requirements', 'people.as_of_on') }}
    group by people.period_start, people.person_id, requirements.competency_id
)

select
    people.period_start,
    people.period_end,
    people.person_id,
    people.org_unit_id,
    people.employment_line,
    people.job_role,
    people.hired_on,
    people.left_on,
    required.competency_id,
    required.grace_days,
    greatest(
        coalesce(people.role_started_on, people.hired_on, required.required_from),
        required.required_from
    ) as clock_started_on
from people
inner join required
    on people.period_start = required.period_start and people.person_id = required.person_id
{%- endmacro %}
