{# The named columns identify a row, and none of them is null: one query for the model's grain. #}
{% test grain_is(model, columns) %}

select
    {{ columns | join(", ") }},
    count(*) as occurrences
from {{ model }}
group by {{ columns | join(", ") }}
having
    count(*) > 1
    {%- for column in columns %}
        or {{ column }} is null
    {%- endfor %}

{% endtest %}
