{# The catalogue as it stood at the end of each period: of each KPI the newest row in force. #}
{% macro kpi_catalogue(grain) -%}
with

versions as (
    select
        periods.period_start,
        catalogue.*,
        row_number() over (
            partition by periods.period_start, catalogue.kpi_id
            order by catalogue.valid_from desc
        ) as recency
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('kpi_catalogue') }} as catalogue
        on catalogue.valid_from <= periods.period_end
)

select
    versions.period_start,
    versions.kpi_id,
    versions.name,
    versions.headline_order,
    versions.role,
    versions.parent_kpi_id,
    versions.grains,
    versions.unit,
    versions.direction,
    versions.precision,
    versions.chart_basis,
    versions.owner_role,
    versions.numerator_definition,
    versions.denominator_definition,
    versions.definition,
    versions.business_outcome,
    versions.guardrail,
    versions.valid_from
from versions
where versions.recency = 1
{%- endmacro %}
