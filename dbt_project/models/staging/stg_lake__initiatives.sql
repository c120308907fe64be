{{ config(tags=['foundation']) }}

select
    initiatives.initiative_id,
    initiatives.valid_from,
    initiatives.valid_to,
    lower(trim(initiatives.kind)) as kind,
    initiatives.title,
    initiatives.org_unit_id,
    initiatives.starts_on,
    initiatives.ends_on,
    initiatives.cost
from {{ source('lake', 'versions_initiatives') }} as initiatives
