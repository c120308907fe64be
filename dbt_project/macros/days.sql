{# Whether a day is one that Python named for this build, and not among `without`, some of these; a
   first build for which none was named takes every day. The days are written into the query, so
   that files of other days are never opened. #}
{% macro is_day_of_this_build(column, without=()) -%}
    {%- if execute and (is_incremental() or without) -%}
        {%- set named = run_query(
            "select event_day from " ~ ref("stg_control__event_days") ~ " order by event_day"
        ).columns[0].values() | list -%}
        {{ is_among(column, named | reject("in", without) | list) }}
    {%- else -%}
        true
    {%- endif -%}
    {# the dependency stands whichever way the model is built #}
    {%- if not execute -%}{%- do ref("stg_control__event_days") -%}{%- endif -%}
{%- endmacro %}

{# Of the days of this build, in order, those that one delivery alone has events of. #}
{% macro days_delivered_once() -%}
    {%- if not execute -%}
        {%- do ref("stg_control__event_days") -%}
        {%- do source("lake", "raw_activity") -%}
        {{ return([]) }}
    {%- endif -%}
    {%- if flags.WHICH not in ("build", "run") -%}{{ return([]) }}{%- endif -%}
    {{ return(run_query(
        "select event_day from " ~ ref("stg_control__event_days")
        ~ " where deliveries = 1 order by event_day"
    ).columns[0].values() | list) }}
{%- endmacro %}

{# Whether a day is one of a sorted list: days that follow each other are written as one range. #}
{% macro is_among(column, days) -%}
    {%- if not days -%}{{ return("false") }}{%- endif -%}
    {%- set run = namespace(first=none, last=none) -%}
    {%- set ranges = [] -%}
    {%- for named in days -%}
        {%- set day = modules.datetime.date.fromisoformat((named | string)[:10]) -%}
        {%- if run.last is none or (day - run.last).days > 1 -%}
            {%- if run.last is not none -%}{%- do ranges.append([run.first, run.last]) -%}{%- endif -%}
            {%- set run.first = day -%}
        {%- endif -%}
        {%- set run.last = day -%}
    {%- endfor -%}
    {%- do ranges.append([run.first, run.last]) -%}
    (
        {%- for first, last in ranges -%}
            {{ column }} between date '{{ first }}' and date '{{ last }}'{{ " or " if not loop.last }}
        {%- endfor -%}
    )
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
