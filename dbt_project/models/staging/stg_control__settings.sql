{{ config(tags=['foundation']) }}

select
    settings.time_zone,
    settings.privacy_threshold,
    settings.currency,
    settings.organisation
from {{ source('control', 'settings') }} as settings
