{# Leave as known at the period's end, one row a person and unbroken spell. A spell that later
   snapshots no longer state counts until the day they stopped stating it. Spells that overlap or
   touch (a first day that was corrected, say) are one: no day of leave counts twice. #}
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
),

spells as (
    select
        stated.period_start,
        stated.person_id,
        stated.leave_from,
        case
            when stated.valid_to is not null and stated.valid_to <= stated.period_end
                then
                    least(
                        coalesce(stated.leave_to, date '9999-12-31'),
                        {{ add_days('stated.valid_to', -1) }}
                    )
            else coalesce(stated.leave_to, date '9999-12-31')
        end as leave_to
    from stated
    where stated.recency = 1
),

-- what was withdrawn before it began was never leave
begun as (
    select
        spells.*,
        max(spells.leave_to) over (
            partition by spells.period_start, spells.person_id
            order by spells.leave_from
            rows between unbounded preceding and 1 preceding
        ) as away_until
    from spells
    where spells.leave_to >= spells.leave_from
),

numbered as (
    select
        begun.*,
        sum(
            case
                when begun.away_until >= {{ add_days('begun.leave_from', -1) }} then 0
                else 1
            end
        ) over (
            partition by begun.period_start, begun.person_id
            order by begun.leave_from
            rows between unbounded preceding and current row
        ) as spell
    from begun
)

select
    numbered.period_start,
    numbered.person_id,
    min(numbered.leave_from) as leave_from,
    max(numbered.leave_to) as leave_to
from numbered
group by numbered.period_start, numbered.person_id, numbered.spell
{%- endmacro %}
