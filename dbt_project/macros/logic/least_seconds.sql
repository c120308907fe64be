{# How long an event must last to count as learning: of its verb, on its day; null where it never
   counts. Written into the query, verb by verb: a join would look up every event, and give up the
   dictionaries in which the lake keeps its text, which grouping by person and course lives on. #}
{% macro least_seconds(verb, day) -%}
    {%- set rules = learning_verb_rules() -%}
    {%- set turns = [] -%}
    {%- for rule in rules -%}
        {%- do turns.append(rule.valid_from) -%}
        {%- if rule.valid_to -%}{%- do turns.append(rule.valid_to) -%}{%- endif -%}
    {%- endfor -%}
    {%- if not turns -%}{{ return("cast(null as integer)") }}{%- endif -%}
    case
        {%- for turn in turns | unique | sort(reverse=true) %}
        when {{ day }} >= date '{{ turn }}' then {{ number_of(verb, _in_force_on(turn, rules)) }}
        {%- endfor %}
    end
{%- endmacro %}

{# The charter's verbs, with days as ISO text; none where the project is compiled before they are
   loaded, which a build never does. #}
{% macro learning_verb_rules() -%}
    {%- set rules = [] -%}
    {%- set verbs = ref("learning_verbs") -%}
    {%- if not execute or (flags.WHICH not in ("build", "run") and not load_relation(verbs)) -%}
        {{ return(rules) }}
    {%- endif -%}
    {%- for row in run_query(
        "select verb, min_seconds, cast(valid_from as string) as valid_from,"
        ~ " cast(valid_to as string) as valid_to from " ~ verbs
    ).rows -%}
        {%- do rules.append({
            "verb": row[0], "min_seconds": row[1], "valid_from": row[2], "valid_to": row[3]
        }) -%}
    {%- endfor -%}
    {{ return(rules) }}
{%- endmacro %}

{# Seconds by verb; the fewest where two rules hold of one verb. #}
{% macro _in_force_on(day, rules) -%}
    {%- set seconds = {} -%}
    {%- for rule in rules | sort(attribute="min_seconds", reverse=true) -%}
        {%- if rule.valid_from <= day and (not rule.valid_to or rule.valid_to > day) -%}
            {%- do seconds.update({rule.verb: rule.min_seconds | int}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(seconds) }}
{%- endmacro %}
