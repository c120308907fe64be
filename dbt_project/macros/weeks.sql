{# The 13 whole ISO weeks up to each period's end, one row a period and week. #}
{% macro last_13_weeks(grain) -%}
    select
        periods.period_start,
        {{ add_days(monday_after('periods.period_end'), '-7 * (numbers.back + 1)') }} as week_start
    from {{ of_grain('stg_control__periods', grain) }} as periods
    cross join (
{%- for number in range(13) %}
        select {{ number }} as back
{%- if not loop.last %}
        union all
{%- endif %}
{%- endfor %}
    ) as numbers
{%- endmacro %}

{# The Monday that follows the last whole week up to a day: that week ends the day before. #}
{% macro monday_after(day) -%}
    {{ start_of('week', add_days(day, 1)) }}
{%- endmacro %}
