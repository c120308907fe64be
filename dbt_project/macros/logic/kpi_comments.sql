{# What a KPI's owner recorded for a period, whenever that was: the newest of a KPI and unit. #}
{% macro kpi_comments(grain) -%}
with

roots as (
    select
        tree.period_start,
        min(tree.org_unit_id) as org_unit_id
    from {{ of_grain('int_org_tree', grain) }} as tree
    where tree.depth = 0
    group by tree.period_start
),

told as (
    select
        periods.period_start,
        comments.comment_id,
        comments.kpi_id,
        case
            when coalesce(comments.org_unit_id, '*') = '*' then roots.org_unit_id
            else comments.org_unit_id
        end as org_unit_id,
        comments.person_id,
        comments.text,
        comments.recorded_on
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join roots on periods.period_start = roots.period_start
    inner join {{ ref('stg_lake__comments') }} as comments
        on periods.period_id = comments.period_id
    where comments.kpi_id is not null and comments.text is not null
),

ranked as (
    select
        told.*,
        row_number() over (
            partition by told.period_start, told.kpi_id, told.org_unit_id
            order by told.recorded_on desc, told.comment_id desc
        ) as recency
    from told
)

select
    ranked.period_start,
    ranked.kpi_id,
    ranked.org_unit_id,
    ranked.person_id,
    people.full_name,
    ranked.text,
    ranked.recorded_on
from ranked
left join {{ of_grain('int_people', grain) }} as people
    on ranked.period_start = people.period_start and ranked.person_id = people.person_id
where ranked.recency = 1
{%- endmacro %}
