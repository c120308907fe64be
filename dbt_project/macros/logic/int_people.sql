{# Each person as last known at the period's end, those who have left included. #}
{% macro int_people(grain) -%}
with

-- sorted once, whatever the number of periods
versions as (
    select
        people.*,
        lead(people.valid_from) over (
            partition by people.person_id order by people.valid_from
        ) as superseded_on
    from {{ ref('stg_lake__people') }} as people
),

known as (
    select
        periods.period_start,
        periods.period_end,
        versions.*
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join versions
        on
            versions.valid_from <= periods.period_end
            and (versions.superseded_on is null or versions.superseded_on > periods.period_end)
),

roots as (
    select
        tree.period_start,
        min(tree.org_unit_id) as org_unit_id
    from {{ of_grain('int_org_tree', grain) }} as tree
    where tree.depth = 0
    group by tree.period_start
),

units as (
    select distinct
        tree.period_start,
        tree.org_unit_id
    from {{ of_grain('int_org_tree', grain) }} as tree
)

select
    known.period_start,
    known.period_end,
    known.person_id,
    known.full_name,
    known.email,
    known.manager_id,
    -- a person of no or an unknown unit counts in the whole only
    coalesce(units.org_unit_id, roots.org_unit_id) as org_unit_id,
    known.job_role,
    known.leader_level,
    known.employment_line,
    known.hired_on,
    known.role_started_on,
    -- who is no longer in the snapshots has left by the first one without them
    case
        when known.valid_to is not null and known.valid_to <= known.period_end
            then least(coalesce(known.left_on, known.valid_to), known.valid_to)
        else known.left_on
    end as left_on
from known
inner join roots on known.period_start = roots.period_start
left join units
    on known.period_start = units.period_start and known.org_unit_id = units.org_unit_id
{%- endmacro %}
