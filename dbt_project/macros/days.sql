{# Restricts an incremental build to the days that Python named; a first build takes every day.
   The days are written into the query, so that files of other days are never opened. #}
{% macro only_days_of_this_build(column) -%}
    {%- if execute and is_incremental() -%}
        {%- set days = run_query("select event_day from " ~ ref("stg_control__event_days")).rows -%}
        {%- if days -%}
            where {{ column }} in (
                {%- for row in days %}date '{{ row[0] }}'{{ ", " if not loop.last }}{% endfor -%}
            )
        {%- else -%}
            where false
        {%- endif -%}
    {%- endif -%}
    {# the dependency stands whichever way the model is built #}
    {%- if not execute -%}{%- do ref("stg_control__event_days") -%}{%- endif -%}
{%- endmacro %}

{# Before a day is built again, what stood of it goes; DuckDB does both in one transaction. #}
{% macro forget_days(relation) -%}
    {{ return(adapter.dispatch("forget_days")(relation)) }}
{%- endmacro %}

{% macro default__forget_days(relation) -%}
    {%- if is_incremental() -%}
        delete from {{ relation }}
        where event_day in (select event_day from {{ ref("stg_control__event_days") }})
    {%- endif -%}
{%- endmacro %}

{# Parquet tables lose rows by whole partitions only. #}
{% macro spark__forget_days(relation) -%}
    {%- if execute and is_incremental() -%}
        {%- set days = run_query("select event_day from " ~ ref("stg_control__event_days")).rows -%}
        {%- if days -%}
            alter table {{ relation }} drop if exists
            {%- for row in days %}
                partition (event_day = date '{{ row[0] }}'){{ "," if not loop.last }}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
