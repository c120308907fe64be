{{ config(tags=['day']) }}

select
    event_days.event_day,
    event_days.deliveries
from {{ source('control', 'event_days') }} as event_days
