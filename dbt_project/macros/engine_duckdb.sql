{# DuckDB's wording of macros/engine.sql. #}

{% macro default__local_day(moment, zone) -%}
    cast(timezone({{ zone }}, {{ moment }}) as date)
{%- endmacro %}

{% macro default__moment_type() -%}
    timestamptz
{%- endmacro %}

{% macro default__add_days(day, count) -%}
    ({{ day }} + cast({{ count }} as integer))
{%- endmacro %}

{% macro default__add_months(day, count) -%}
    cast({{ day }} + to_months(cast({{ count }} as integer)) as date)
{%- endmacro %}

{% macro default__days_between(first_day, last_day) -%}
    date_diff('day', {{ first_day }}, {{ last_day }})
{%- endmacro %}

{% macro default__start_of(part, day) -%}
    cast(date_trunc('{{ part }}', {{ day }}) as date)
{%- endmacro %}

{% macro default__whole(number) -%}
    cast({{ number }} as hugeint)
{%- endmacro %}

{% macro default__whole_quotient(dividend, divisor) -%}
    (({{ dividend }}) // ({{ divisor }}))
{%- endmacro %}

{% macro default__number_of(text, numbers) -%}
    map_extract_value(
        map(
            [{% for each in numbers %}'{{ each | replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor %}],
            {{ numbers.values() | list }}
        ),
        {{ text }}
    )
{%- endmacro %}
