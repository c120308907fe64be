{# Rows of kpi_values that no calculation may give. #}
{% macro kpi_values_are_sound(grain) -%}
select
    figures.period_start,
    figures.kpi_id,
    figures.org_unit_id,
    figures.employment_line,
    case
        when (figures.value is null) <> (figures.no_data_reason is not null)
            then 'a value and a reason for none exclude each other'
        when figures.numerator < 0 or figures.denominator < 0 then 'a count is negative'
        when catalogue.unit = 'percent' and figures.numerator > figures.denominator
            then 'more is counted above the line than below it'
        when catalogue.unit = 'percent' and (figures.value < 0 or figures.value > 100)
            then 'not a share'
        when figures.lower > figures.value or figures.upper < figures.value
            then 'outside its own interval'
        when figures.denominator = 0 and figures.value is not null then 'divided by zero'
        when figures.employment_line not in ('employee', 'contractor') then 'no such line'
        when figures.people < 0 then 'people are negative'
    end as fault
from {{ of_grain('kpi_values', grain) }} as figures
inner join {{ of_grain('kpi_catalogue', grain) }} as catalogue
    on
        figures.period_start = catalogue.period_start
        and figures.kpi_id = catalogue.kpi_id
where
    (figures.value is null) <> (figures.no_data_reason is not null)
    or (
        catalogue.unit not in ('index_change')
        and (figures.numerator < 0 or figures.denominator < 0)
    )
    or (
        catalogue.unit = 'percent'
        and figures.kpi_id <> 'seat_use'
        and (
            figures.numerator > figures.denominator
            or figures.value < 0
            or figures.value > 100
        )
    )
    or figures.lower > figures.value
    or figures.upper < figures.value
    or (figures.denominator = 0 and figures.value is not null)
    or figures.employment_line not in ('employee', 'contractor')
    or figures.people < 0
{%- endmacro %}
