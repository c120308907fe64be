{{ config(tags=['foundation']) }}

with

in_force as (
    select
        business_outcomes.org_unit_id,
        business_outcomes.metric,
        business_outcomes.period_start,
        business_outcomes.numerator,
        business_outcomes.denominator,
        business_outcomes.unit,
        business_outcomes.direction,
        row_number() over (
            partition by
                business_outcomes.org_unit_id,
                business_outcomes.metric,
                business_outcomes.period_start
            order by business_outcomes.delivery_id desc
        ) as recency
    from {{ source('lake', 'raw_business_outcomes') }} as business_outcomes
    where
        business_outcomes.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_business_outcomes') }} as deliveries
        )
)

select
    latest.org_unit_id,
    latest.metric,
    latest.period_start,
    latest.numerator,
    latest.denominator,
    latest.unit,
    lower(trim(latest.direction)) as direction
from in_force as latest
where latest.recency = 1
