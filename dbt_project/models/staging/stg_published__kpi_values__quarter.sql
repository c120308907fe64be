{{ config(tags=['foundation']) }}

select
    figures.period_start,
    figures.period_end,
    figures.kpi_id,
    figures.org_unit_id,
    figures.employment_line,
    figures.numerator,
    figures.denominator,
    figures.value,
    figures.lower,
    figures.upper,
    figures.target,
    figures.people,
    figures.no_data_reason,
    figures.build_id
from {{ source('published', 'kpi_values__quarter') }} as figures
inner join {{ source('published', 'index__quarter') }} as in_force
    on
        figures.period_start = in_force.period_start
        and figures.build_id = in_force.build_id
