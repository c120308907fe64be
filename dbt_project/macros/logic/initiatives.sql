{# Initiatives, as known at the end of each period, that a chart of the period can show. #}
{% macro initiatives(grain) -%}
{%- set months = 39 if grain == 'quarter' else 13 -%}
select
    periods.period_start,
    initiatives.initiative_id,
    initiatives.kind,
    initiatives.title,
    initiatives.org_unit_id,
    initiatives.starts_on,
    initiatives.ends_on,
    initiatives.cost
from {{ of_grain('stg_control__periods', grain) }} as periods
inner join {{ ref('stg_lake__initiatives') }} as initiatives
    on
        {{ holds_on('initiatives', 'periods.period_end') }}
        and initiatives.starts_on <= periods.period_end
        and (
            initiatives.ends_on is null
            or initiatives.ends_on
            >= {{ add_months(add_days('periods.period_end', 1), -months) }}
        )
{%- endmacro %}
