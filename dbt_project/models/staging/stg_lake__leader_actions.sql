{{ config(tags=['foundation']) }}

with

in_force as (
    select
        leader_actions.action_id,
        leader_actions.person_id,
        leader_actions.kind,
        leader_actions.audience_org_unit_id,
        leader_actions.message_id,
        leader_actions.happened_on,
        row_number() over (
            partition by leader_actions.action_id
            order by leader_actions.delivery_id desc
        ) as recency
    from {{ source('lake', 'raw_leader_actions') }} as leader_actions
    where
        leader_actions.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_leader_actions') }} as deliveries
        )
)

select
    latest.action_id,
    latest.person_id,
    lower(trim(latest.kind)) as kind,
    latest.audience_org_unit_id,
    latest.message_id,
    latest.happened_on
from in_force as latest
where latest.recency = 1
