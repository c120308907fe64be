{# The value of a rule of the seed review_rules, one row a period, as of the period's end. #}
{% macro review_rule(grain, rule) -%}
    select
        periods.period_start,
        periods.period_end,
        max_by(rules.value, rules.valid_from) as value
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('review_rules') }} as rules
        on rules.valid_from <= periods.period_end and rules.rule = '{{ rule }}'
    group by periods.period_start, periods.period_end
{%- endmacro %}

{# The first day that a rule of so many days looks back to, over the periods of this build. #}
{% macro first_day_of_rule(grain, rule) -%}
    {{ written_day(
        "select min(" ~ add_days("rule_days.period_end", "-rule_days.value") ~ ") from ("
        ~ review_rule(grain, rule) ~ ") as rule_days"
    ) }}
{%- endmacro %}

{# The first day of the periods of this build; or so many days before the end of the first. Asked of
   the lake, so that the project compiles where nothing is built yet. #}
{% macro first_day_of_build(grain, days_before_end=none) -%}
    {%- set day = "periods.period_start" if days_before_end is none
        else add_days("periods.period_end", -days_before_end) -%}
    {{ written_day(
        "select min(" ~ day ~ ") from " ~ source('control', 'periods__' ~ grain) ~ " as periods"
    ) }}
{%- endmacro %}

{# The last day of the periods of this build. #}
{% macro last_day_of_build(grain) -%}
    {{ written_day("select max(period_end) from " ~ source('control', 'periods__' ~ grain)) }}
{%- endmacro %}

{# The day that a query gives, written into the model: so files, and groups of rows, of other days
   are never opened. #}
{% macro written_day(query) -%}
    {%- set found = run_query(query).rows[0][0] if execute else none -%}
    date '{{ found if found is not none else "9999-12-31" }}'
{%- endmacro %}
