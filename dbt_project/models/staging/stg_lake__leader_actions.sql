{{ config(tags=['foundation']) }}

with

told as (
    select
        leader_actions.action_id,
        leader_actions.person_id,
        leader_actions.kind,
        leader_actions.audience_org_unit_id,
        leader_actions.message_id,
        leader_actions.happened_on,
        leader_actions.delivery_id as told_in,
        0 as is_recorded
    from {{ source('lake', 'raw_leader_actions') }} as leader_actions
    where
        leader_actions.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_leader_actions') }} as deliveries
        )

    union all
    select
        records.entry_id as action_id,
        records.person_id,
        -- an action recorded by mistake is taken back in the same way
        case when coalesce(records.outcome, '') <> 'withdrawn' then records.kind end as kind,
        records.org_unit_id as audience_org_unit_id,
        records.message_id,
        records.happened_on,
        cast(records.recorded_on as string) as told_in,
        1 as is_recorded
    from {{ ref('stg_lake__records') }} as records
    where records.subject = 'leader_action' and records.is_latest
),

numbered as (
    select
        told.*,
        row_number() over (
            partition by told.action_id
            order by substr(told.told_in, 1, 10) desc, told.is_recorded desc, told.told_in desc
        ) as recency
    from told
)

select
    latest.action_id,
    latest.person_id,
    lower(trim(latest.kind)) as kind,
    latest.audience_org_unit_id,
    latest.message_id,
    latest.happened_on
from numbered as latest
where latest.recency = 1 and latest.kind is not null
