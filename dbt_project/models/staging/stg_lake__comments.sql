{{ config(tags=['foundation']) }}

select
    records.entry_id as comment_id,
    records.kpi_id,
    records.period_id,
    records.org_unit_id,
    records.person_id,
    records.text,
    records.recorded_on
from {{ ref('stg_lake__records') }} as records
where
    records.subject = 'comment'
    and records.is_latest
    and coalesce(records.outcome, '') <> 'withdrawn'
