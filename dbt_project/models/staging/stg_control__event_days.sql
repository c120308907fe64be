{{ config(tags=['day']) }}

select event_days.event_day
from {{ source('control', 'event_days') }} as event_days
