{# KPIs whose figure of the whole is not the sum of the rows it was counted from. #}
{% macro whole_is_sum_of_rows(grain) -%}
{%- set rates = [
    ('active_learner_rate', 'fct_active_learners', 'true'),
    ('on_time_completion_rate', 'fct_enrolments_due', 'is_mandatory'),
    ('elective_completion_rate', 'fct_enrolments_due', 'not is_mandatory'),
    ('mandatory_overdue_today', 'fct_mandatory_overdue', 'true'),
] -%}
{%- if grain != 'week' -%}
    {%- do rates.append(('certification_rate', 'fct_certification_pairs', 'true')) -%}
{%- endif -%}
with

counted as (
{%- for kpi_id, model, condition in rates %}
    select
        period_start,
        '{{ kpi_id }}' as kpi_id,
        employment_line,
        sum(in_numerator) as numerator,
        sum(in_denominator) as denominator
    from {{ of_grain(model, grain) }}
    where {{ condition }} and in_denominator = 1
    group by period_start, employment_line
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}
)

select
    figures.period_start,
    figures.kpi_id,
    figures.employment_line,
    figures.numerator,
    figures.denominator,
    counted.numerator as counted_numerator,
    counted.denominator as counted_denominator
from {{ of_grain('kpi_values', grain) }} as figures
inner join {{ of_grain('org_units', grain) }} as units
    on
        figures.period_start = units.period_start
        and figures.org_unit_id = units.org_unit_id
left join counted
    on
        figures.period_start = counted.period_start
        and figures.kpi_id = counted.kpi_id
        and figures.employment_line = counted.employment_line
where
    units.depth = 0
    and figures.kpi_id in (
{%- for kpi_id, model, condition in rates -%}
    '{{ kpi_id }}'{{ ", " if not loop.last }}
{%- endfor -%}
    )
    and (
        coalesce(figures.numerator, 0) <> coalesce(counted.numerator, 0)
        or coalesce(figures.denominator, 0) <> coalesce(counted.denominator, 0)
    )
{%- endmacro %}
