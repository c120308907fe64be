{# Spark's wording of macros/engine.sql. #}

{% macro spark__local_day(moment, zone) -%}
    to_date(from_utc_timestamp({{ moment }}, {{ zone }}))
{%- endmacro %}

{% macro spark__moment_type() -%}
    timestamp
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

{% macro spark__number_of(text, numbers) -%}
    element_at(
        map(
            {%- for each, number in numbers.items() -%}
                {{ text_literal(each) }}, {{ number }}{{ ", " if not loop.last }}
            {%- endfor -%}
        ),
        {{ text }}
    )
{%- endmacro %}

{# dbt-spark binds a seed's values as text without escaping it, and a missing one as 'None'. #}
{% macro spark__load_csv_rows(model, agate_table) -%}
    {%- set types = model["config"].get("column_types", {}) -%}
    {%- set sql -%}
        insert into {{ this.render() }} values
        {%- for row in agate_table.rows %}
        (
            {%- for name in agate_table.column_names -%}
                cast({{ text_literal(row[name]) }} as {{ types[name] }})
                {%- if not loop.last %}, {% endif -%}
            {%- endfor -%}
        )
            {%- if not loop.last %},{% endif -%}
        {%- endfor -%}
    {%- endset -%}
    {%- if agate_table.rows -%}
        {%- do adapter.add_query(sql, abridge_sql_log=True) -%}
    {%- endif -%}
    {{ return(sql) }}
{%- endmacro %}

{% macro text_literal(value) -%}
    {%- if value is none -%} null
    {%- else -%} '{{ value | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
    {%- endif -%}
{%- endmacro %}
