{{ config(tags=['foundation']) }}

with

versions as (
    select
        versions.*,
        lag(versions.decided_on) over of_entry as decided_before,
        lag(versions.closed_on) over of_entry as closed_before,
        row_number() over of_entry as nth,
        lead(versions.valid_from) over of_entry as next_from
    from {{ source('lake', 'versions_decisions') }} as versions
    window of_entry as (partition by versions.entry_id order by versions.valid_from)
),

told as (
    select
        versions.entry_id,
        versions.valid_from as told_on,
        0 as told_in_turn,
        '' as record_id,
        -- late news counts from the day that it tells of
        case
            when versions.closed_on is not null and versions.closed_before is null
                then versions.closed_on
            when versions.decided_on is not null and versions.decided_before is null
                then versions.decided_on
            when versions.nth = 1 then versions.asked_on
            else versions.valid_from
        end as tells_of,
        lower(trim(versions.kind)) as kind,
        versions.title,
        versions.right_id,
        versions.org_unit_id,
        versions.owner_person_id,
        versions.owner_role,
        versions.proposed_by_person_id,
        versions.asked_on,
        versions.asked_in,
        versions.due_on,
        versions.amount,
        versions.decided_on,
        versions.decided_by_person_id,
        versions.outcome,
        versions.closed_on,
        coalesce(lower(trim(versions.source)), 'person') as source,
        versions.warning_id,
        versions.if_not_taken
    from versions

    union all
    -- a log that is sent whole no longer has the entry, though it was open
    select
        versions.entry_id,
        versions.valid_to as told_on,
        1 as told_in_turn,
        '' as record_id,
        versions.valid_to as tells_of,
        cast(null as string) as kind,
        cast(null as string) as title,
        cast(null as string) as right_id,
        cast(null as string) as org_unit_id,
        cast(null as string) as owner_person_id,
        cast(null as string) as owner_role,
        cast(null as string) as proposed_by_person_id,
        cast(null as date) as asked_on,
        cast(null as string) as asked_in,
        cast(null as date) as due_on,
        cast(null as decimal(18, 2)) as amount,
        cast(null as date) as decided_on,
        cast(null as string) as decided_by_person_id,
        'withdrawn' as outcome,
        versions.valid_to as closed_on,
        cast(null as string) as source,
        cast(null as string) as warning_id,
        cast(null as string) as if_not_taken
    from versions
    where
        versions.valid_to is not null
        and versions.next_from is null
        and versions.decided_on is null
        and versions.closed_on is null

    union all
    select
        records.entry_id,
        records.recorded_on as told_on,
        1 + row_number() over (
            partition by records.entry_id
            order by records.recorded_at, records.record_id
        ) as told_in_turn,
        records.record_id,
        coalesce(records.closed_on, records.decided_on, records.asked_on) as tells_of,
        records.kind,
        records.title,
        records.right_id,
        records.org_unit_id,
        records.owner_person_id,
        records.owner_role,
        records.proposed_by_person_id,
        -- who opens an entry without a day asks on that day
        case
            when records.kind is not null then coalesce(records.asked_on, records.recorded_on)
            else records.asked_on
        end as asked_on,
        records.asked_in,
        records.due_on,
        records.amount,
        records.decided_on,
        records.decided_by_person_id,
        records.outcome,
        records.closed_on,
        case
            when records.kind is null then cast(null as string)
            when records.source <> 'review' then 'person'
            when records.warning_id is not null then 'warning'
            else 'review'
        end as source,
        records.warning_id,
        records.if_not_taken
    from {{ ref('stg_lake__records') }} as records
    where records.subject = 'decision'
)

select
    told.entry_id,
    row_number() over (
        partition by told.entry_id
        order by told.told_on, told.told_in_turn, told.record_id
    ) as change_number,
    least(told.told_on, coalesce(told.tells_of, told.told_on)) as known_from,
    told.kind,
    told.title,
    told.right_id,
    told.org_unit_id,
    told.owner_person_id,
    told.owner_role,
    told.proposed_by_person_id,
    told.asked_on,
    told.asked_in,
    told.due_on,
    told.amount,
    told.decided_on,
    told.decided_by_person_id,
    lower(trim(told.outcome)) as outcome,
    told.closed_on,
    told.source,
    told.warning_id,
    told.if_not_taken
from told
