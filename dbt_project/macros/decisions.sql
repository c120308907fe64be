{# Whether an outcome says that what was asked for is not to be. Outcomes are free text; these are the
   words it then begins with. #}
{% macro is_refusal(outcome) -%}
    (
{%- for word in ['declined', 'refused', 'rejected', 'denied', 'not approved', 'withdrawn'] %}
        coalesce(lower(trim({{ outcome }})), '') like '{{ word }}%'
{%- if not loop.last %} or{% endif %}
{%- endfor %}
    )
{%- endmacro %}
