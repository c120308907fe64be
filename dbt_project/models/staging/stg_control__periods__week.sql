{{ config(tags=['week']) }}

select
    periods.period_id,
    periods.period_start,
    periods.period_end,
    periods.previous_start,
    periods.same_last_year_start
from {{ source('control', 'periods__week') }} as periods
