{# What stands in for adapter.dispatch while sqlfluff reads the models. #}

{% macro local_day(moment, zone) -%}
    {{ default__local_day(moment, zone) }}
{%- endmacro %}

{% macro add_days(day, count) -%}
    {{ default__add_days(day, count) }}
{%- endmacro %}

{% macro add_months(day, count) -%}
    {{ default__add_months(day, count) }}
{%- endmacro %}

{% macro days_between(first_day, last_day) -%}
    {{ default__days_between(first_day, last_day) }}
{%- endmacro %}

{% macro start_of(part, day) -%}
    {{ default__start_of(part, day) }}
{%- endmacro %}

{% macro whole(number) -%}
    {{ default__whole(number) }}
{%- endmacro %}

{% macro whole_quotient(dividend, divisor) -%}
    {{ default__whole_quotient(dividend, divisor) }}
{%- endmacro %}
