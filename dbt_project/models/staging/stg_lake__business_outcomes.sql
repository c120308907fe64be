{{ config(tags=['foundation']) }}

with

told as (
    select
        business_outcomes.org_unit_id,
        business_outcomes.metric,
        business_outcomes.period_start,
        business_outcomes.numerator,
        business_outcomes.denominator,
        business_outcomes.unit,
        business_outcomes.direction,
        business_outcomes.delivery_id as told_in,
        0 as told_in_turn
    from {{ source('lake', 'raw_business_outcomes') }} as business_outcomes
    where
        business_outcomes.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_business_outcomes') }} as deliveries
        )

    union all
    select
        records.org_unit_id,
        records.metric,
        records.period_start,
        records.numerator,
        records.denominator,
        records.unit,
        records.direction,
        cast(records.recorded_on as string) as told_in,
        row_number() over (
            partition by records.org_unit_id, records.metric, records.period_start
            order by records.recorded_at, records.record_id
        ) as told_in_turn
    from {{ ref('stg_lake__records') }} as records
    where records.subject = 'outcome'
),

numbered as (
    select
        told.*,
        row_number() over (
            partition by told.org_unit_id, told.metric, told.period_start
            order by substr(told.told_in, 1, 10) desc, told.told_in_turn desc, told.told_in desc
        ) as recency
    from told
)

select
    latest.org_unit_id,
    latest.metric,
    latest.period_start,
    latest.numerator,
    latest.denominator,
    latest.unit,
    lower(trim(latest.direction)) as direction
from numbered as latest
where latest.recency = 1
