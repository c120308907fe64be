{{ config(tags=['foundation']) }}

select
    org_units.org_unit_id,
    org_units.valid_from,
    org_units.valid_to,
    org_units.name,
    nullif(trim(org_units.parent_org_unit_id), '') as parent_org_unit_id,
    org_units.sponsor_person_id
from {{ source('lake', 'versions_org_units') }} as org_units
