{# The events of the days of this build. A day of which one delivery alone has events is read as it
   lies: each stands there once, and is in force, so there is nothing to sort or to look up. #}
{% macro events_of_this_build() -%}
{%- set once = days_delivered_once() -%}
{%- set parts = [(ref('stg_lake__activity'), is_day_of_this_build('activity.event_day', once))] -%}
{%- if once -%}
    {%- do parts.insert(0, (source('lake', 'raw_activity'), is_among('activity.event_day', once))) -%}
{%- endif -%}
{%- for events, wanted in parts %}
select
    activity.event_day,
    activity.person_id,
    activity.course_id,
    activity.verb,
    coalesce(activity.duration_seconds, 0) as seconds
from {{ events }} as activity
where {{ wanted }}
{% if not loop.last %}union all{% endif %}
{%- endfor -%}
{%- endmacro %}
