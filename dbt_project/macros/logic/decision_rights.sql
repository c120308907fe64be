{# The decision rights in force at the period's end. #}
{% macro decision_rights(grain) -%}
with

versions as (
    select
        periods.period_start,
        rights.*,
        row_number() over (
            partition by periods.period_start, rights.decision_id
            order by rights.valid_from desc
        ) as recency
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('decision_rights') }} as rights
        on rights.valid_from <= periods.period_end
)

select
    period_start,
    decision_id,
    decision,
    proposes_role,
    decides_role,
    consulted_roles,
    days,
    silence,
    amount_from,
    amount_to,
    valid_from
from versions
where recency = 1
{%- endmacro %}
