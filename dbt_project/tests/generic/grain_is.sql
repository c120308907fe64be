{# The named columns identify a row, and none of them but the `nullable` ones is null: one query for
   the model's grain. Of day facts only the days of the last build are looked at (`by_day`): others
   were when they were. #}
{% test grain_is(model, columns, by_day=false, nullable=()) %}

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
    {%- for column in columns | reject("in", nullable) %}
        or {{ column }} is null
    {%- endfor %}

{% endtest %}
