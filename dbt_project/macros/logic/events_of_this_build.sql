{# The events of the days of this build. A day of which one delivery alone has events is read as it
   lies: each stands there once, and is in force, so there is nothing to sort or to look up. #}
{% macro events_of_this_build() -%}
{%- set once = days_delivered_once() -%}
{%- if once -%}
select
    activity.event_day,
    activity.person_id,
    activity.course_id,
    activity.verb,
    coalesce(activity.duration_seconds, 0) as seconds
from {{ source('lake', 'raw_activity') }} as activity
where {{ is_among('activity.event_day', once) }}
union all
{% endif -%}
select
    activity.event_day,
    activity.person_id,
    activity.course_id,
    activity.verb,
    coalesce(activity.duration_seconds, 0) as seconds
from {{ ref('stg_lake__activity') }} as activity
where {{ is_day_of_this_build('activity.event_day', once) }}
{%- endmacro %}
