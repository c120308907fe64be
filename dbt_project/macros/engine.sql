{# What DuckDB and Spark write differently stands here and nowhere else. #}

{% macro local_day(moment, zone) -%}
    {{ return(adapter.dispatch("local_day")(moment, zone)) }}
{%- endmacro %}
{% macro default__local_day(moment, zone) -%}
    cast(timezone({{ zone }}, {{ moment }}) as date)
{%- endmacro %}
{% macro spark__local_day(moment, zone) -%}
    to_date(from_utc_timestamp({{ moment }}, {{ zone }}))
{%- endmacro %}

{% macro add_days(day, count) -%}
    {{ return(adapter.dispatch("add_days")(day, count)) }}
{%- endmacro %}
{% macro default__add_days(day, count) -%}
    ({{ day }} + cast({{ count }} as integer))
{%- endmacro %}
{% macro spark__add_days(day, count) -%}
    date_add({{ day }}, cast({{ count }} as int))
{%- endmacro %}

{% macro add_months(day, count) -%}
    {{ return(adapter.dispatch("add_months")(day, count)) }}
{%- endmacro %}
{% macro default__add_months(day, count) -%}
    cast({{ day }} + to_months(cast({{ count }} as integer)) as date)
{%- endmacro %}
{% macro spark__add_months(day, count) -%}
    add_months({{ day }}, cast({{ count }} as int))
{%- endmacro %}

{# Whole days from the first day to the last; 0 when they are the same day. #}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch("days_between")(first_day, last_day)) }}
{%- endmacro %}
{% macro default__days_between(first_day, last_day) -%}
    date_diff('day', {{ first_day }}, {{ last_day }})
{%- endmacro %}
{% macro spark__days_between(first_day, last_day) -%}
    datediff({{ last_day }}, {{ first_day }})
{%- endmacro %}

{# First day of the ISO week, or of the calendar quarter, that the day lies in. #}
{% macro start_of(part, day) -%}
    {{ return(adapter.dispatch("start_of")(part, day)) }}
{%- endmacro %}
{% macro default__start_of(part, day) -%}
    cast(date_trunc('{{ part }}', {{ day }}) as date)
{%- endmacro %}
{% macro spark__start_of(part, day) -%}
    to_date(date_trunc('{{ part }}', {{ day }}))
{%- endmacro %}

{# A whole number wide enough for products of amounts. #}
{% macro whole(number) -%}
    {{ return(adapter.dispatch("whole")(number)) }}
{%- endmacro %}
{% macro default__whole(number) -%}
    cast({{ number }} as hugeint)
{%- endmacro %}
{% macro spark__whole(number) -%}
    cast({{ number }} as decimal(38, 0))
{%- endmacro %}

{# Whole quotient, rounded down; both sides are whole and not negative. #}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch("whole_quotient")(dividend, divisor)) }}
{%- endmacro %}
{% macro default__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) // ({{ divisor }}))
{%- endmacro %}
{% macro spark__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) div ({{ divisor }}))
{%- endmacro %}
