{# Leave as known at the period's end, one row a person and first day of leave. A spell that later
   snapshots no longer state counts until the day they stopped stating it. #}
{% macro int_leave_spells(grain) -%}
with

stated as (
    select
        periods.period_start,
        periods.period_end,
        people.person_id,
        people.leave_from,
        people.leave_to,
        people.valid_to,
        row_number() over (
            partition by periods.period_start, people.person_id, people.leave_from
            order by people.valid_from desc
        ) as recency
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('stg_lake__people') }} as people
        on people.valid_from <= periods.period_end
    where people.leave_from is not null
)

select
    period_start,
    person_id,
    leave_from,
    case
        when valid_to is not null and valid_to <= period_end
            then least(coalesce(leave_to, date '9999-12-31'), {{ add_days('valid_to', -1) }})
        else coalesce(leave_to, date '9999-12-31')
    end as leave_to
from stated
where recency = 1
{%- endmacro %}
