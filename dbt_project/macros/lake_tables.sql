{# The sources as Spark reads them: one external table for each, of the place that the source's
   external_location names, laid anew before every run. DuckDB reads the place itself. #}

{% macro lake_tables() -%}
    {{ return(adapter.dispatch("lake_tables")()) }}
{%- endmacro %}

{% macro default__lake_tables() -%}{%- endmacro %}

{% macro spark__lake_tables() -%}
    {%- if execute and flags.WHICH in ('build', 'run', 'test') -%}
        {%- for node in graph.sources.values() -%}
            {%- set table = source(node.source_name, node.name) -%}
            {%- if loop.first or loop.previtem.schema != node.schema -%}
                {%- do run_query("create schema if not exists " ~ table.schema) -%}
            {%- endif -%}
            {%- do run_query("drop table if exists " ~ table) -%}
            {%- do run_query(
                "create table " ~ table ~ " using parquet options ("
                ~ parquet_options(node.config.meta.external_location) ~ ")"
            ) -%}
            {%- if "hive_partitioning = true" in node.config.meta.external_location -%}
                {%- do run_query("msck repair table " ~ table) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{# read_parquet('a/b=*/*.parquet', ...) as options of Spark's Parquet reader. #}
{% macro parquet_options(location) -%}
    {%- set place = location.split("'")[1] -%}
    {%- set folder = place.split("*")[0].rpartition("/")[0] -%}
    {%- if "*" not in place -%}
        path '{{ place }}'
    {%- else -%}
        path '{{ folder }}', pathGlobFilter '{{ place.rpartition("/")[2] }}',
        recursiveFileLookup '{{ "hive_partitioning = true" not in location }}',
        mergeSchema '{{ "union_by_name = true" in location }}'
    {%- endif -%}
{%- endmacro %}
