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

{# The first day that a rule of so many days looks back to, over the periods of this build. It is
   written into the query, so that files of earlier days are never opened. #}
{% macro first_day_of_rule(grain, rule) -%}
    {%- set days = namespace(first="9999-12-31") -%}
    {%- if execute -%}
        {%- set found = run_query(
            "select min(" ~ add_days("rule_days.period_end", "-rule_days.value") ~ ") from ("
            ~ review_rule(grain, rule) ~ ") as rule_days"
        ).rows[0][0] -%}
        {%- if found is not none -%}{%- set days.first = found -%}{%- endif -%}
    {%- else -%}
        {# the dependencies stand whether the model is built or only read #}
        {%- do ref("review_rules") -%}
        {%- do of_grain('stg_control__periods', grain) -%}
    {%- endif -%}
    date '{{ days.first }}'
{%- endmacro %}
