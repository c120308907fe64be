{# What DuckDB and Spark write differently stands here and nowhere else. #}

{% macro local_day(moment, zone) -%}
    {{ return(adapter.dispatch("local_day")(moment, zone)) }}
{%- endmacro %}

{# The type of a moment, which has no time zone of its own. #}
{% macro moment_type() -%}
    {{ return(adapter.dispatch("moment_type")()) }}
{%- endmacro %}

{% macro add_days(day, count) -%}
    {{ return(adapter.dispatch("add_days")(day, count)) }}
{%- endmacro %}

{% macro add_months(day, count) -%}
    {{ return(adapter.dispatch("add_months")(day, count)) }}
{%- endmacro %}

{# Whole days from the first day to the last; 0 when they are the same day. #}
{% macro days_between(first_day, last_day) -%}
    {{ return(adapter.dispatch("days_between")(first_day, last_day)) }}
{%- endmacro %}

{# First day of the ISO week, or of the calendar quarter, that the day lies in. #}
{% macro start_of(part, day) -%}
    {{ return(adapter.dispatch("start_of")(part, day)) }}
{%- endmacro %}

{# A whole number wide enough for products of amounts. #}
{% macro whole(number) -%}
    {{ return(adapter.dispatch("whole")(number)) }}
{%- endmacro %}

{# Whole quotient, rounded down; both sides are whole and not negative. #}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch("whole_quotient")(dividend, divisor)) }}
{%- endmacro %}

{# The whole number that goes with a text, of a dictionary; null where the text is not in it. #}
{% macro number_of(text, numbers) -%}
    {%- if not numbers -%}{{ return("cast(null as integer)") }}{%- endif -%}
    {{ return(adapter.dispatch("number_of")(text, numbers)) }}
{%- endmacro %}
