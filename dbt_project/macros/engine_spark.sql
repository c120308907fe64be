{# Spark's wording of macros/engine.sql. #}

{% macro spark__local_day(moment, zone) -%}
    to_date(from_utc_timestamp({{ moment }}, {{ zone }}))
{%- endmacro %}

{% macro spark__add_days(day, count) -%}
    date_add({{ day }}, cast({{ count }} as int))
{%- endmacro %}

{% macro spark__add_months(day, count) -%}
    add_months({{ day }}, cast({{ count }} as int))
{%- endmacro %}

{% macro spark__days_between(first_day, last_day) -%}
    datediff({{ last_day }}, {{ first_day }})
{%- endmacro %}

{% macro spark__start_of(part, day) -%}
    to_date(date_trunc('{{ part }}', {{ day }}))
{%- endmacro %}

{% macro spark__whole(number) -%}
    cast({{ number }} as decimal(38, 0))
{%- endmacro %}

{% macro spark__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) div ({{ divisor }}))
{%- endmacro %}
