{# A table is replaced in one statement. dbt-duckdb's own way builds aside, renames twice and drops in
   transactions of their own, which costs more than most models here; a statement that fails leaves
   the old table too. #}
{% materialization table, adapter="duckdb" %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {{ run_hooks(pre_hooks) }}
    {%- if existing is not none and not existing.is_table -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- call statement('main') -%}
        create or replace table {{ target }} as (
            {{ compiled_code }}
        )
    {%- endcall -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
