{# The named columns identify a row, and none of them is null: one query for the model's grain. Of
   day facts only the days of the last build are looked at (`by_day`): others were when they were. #}
{% test grain_is(model, columns, by_day=false) %}

select
    {{ columns | join(", ") }},
    count(*) as occurrences
from {{ model }}
{%- if by_day %}
where event_day in (select event_day from {{ ref('stg_control__event_days') }})
{%- endif %}
group by {{ columns | join(", ") }}
having
    count(*) > 1
    {%- for column in columns %}
        or {{ column }} is null
    {%- endfor %}

{% endtest %}
