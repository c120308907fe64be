{{ config(tags=['foundation']) }}

with

in_force as (
    select
        records.*,
        row_number() over (
            partition by records.record_id
            order by records.delivery_id desc
        ) as recency
    from {{ source('lake', 'raw_records') }} as records
    where
        records.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_records') }} as deliveries
        )
)

select
    latest.record_id,
    latest.recorded_at,
    {{ local_day('latest.recorded_at', 'settings.time_zone') }} as recorded_on,
    latest.recorded_by,
    lower(trim(latest.source)) as source,
    lower(trim(latest.subject)) as subject,
    latest.entry_id,
    lower(trim(latest.kind)) as kind,
    latest.title,
    latest.text,
    latest.person_id,
    latest.org_unit_id,
    latest.message_id,
    latest.kpi_id,
    latest.period_id,
    latest.happened_on,
    latest.right_id,
    latest.owner_person_id,
    latest.owner_role,
    latest.proposed_by_person_id,
    latest.asked_on,
    latest.asked_in,
    latest.due_on,
    latest.amount,
    latest.decided_on,
    latest.decided_by_person_id,
    latest.outcome,
    latest.closed_on,
    latest.warning_id,
    latest.if_not_taken,
    latest.metric,
    latest.period_start,
    latest.numerator,
    latest.denominator,
    latest.unit,
    lower(trim(latest.direction)) as direction,
    -- what was said last of the same entry
    row_number() over (
        partition by lower(trim(latest.subject)), latest.entry_id
        order by latest.recorded_at desc, latest.record_id desc
    ) = 1 as is_latest
from in_force as latest
cross join {{ ref('stg_control__settings') }} as settings
where latest.recency = 1
