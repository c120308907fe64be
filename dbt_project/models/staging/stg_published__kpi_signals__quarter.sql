{{ config(tags=['foundation']) }}

select
    figures.period_start,
    figures.kpi_id,
    figures.org_unit_id,
    figures.employment_line,
    figures.basis,
    figures.points,
    figures.charted_value,
    figures.mean,
    figures.lower_limit,
    figures.upper_limit,
    figures.variation,
    figures.assurance,
    figures.rules,
    figures.rebased_on,
    figures.build_id
from {{ source('published', 'kpi_signals__quarter') }} as figures
inner join {{ source('published', 'index__quarter') }} as in_force
    on
        figures.period_start = in_force.period_start
        and figures.build_id = in_force.build_id
