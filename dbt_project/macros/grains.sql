{# Names of the models of one grain. #}
{% macro of_grain(name, grain) -%}
    {{ ref(name ~ "__" ~ grain) }}
{%- endmacro %}

{# Whether a version (valid_from inclusive, valid_to exclusive) holds on a day. #}
{% macro holds_on(version, day) -%}
    {{ version }}.valid_from <= {{ day }}
    and ({{ version }}.valid_to is null or {{ version }}.valid_to > {{ day }})
{%- endmacro %}
