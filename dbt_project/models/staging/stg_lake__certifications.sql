{{ config(tags=['foundation']) }}

with

in_force as (
    select
        certifications.certification_id,
        certifications.person_id,
        certifications.competency_id,
        certifications.issued_at,
        certifications.expires_at,
        certifications.revoked_at,
        row_number() over (
            partition by certifications.certification_id
            order by certifications.delivery_id desc
        ) as recency
    from {{ source('lake', 'raw_certifications') }} as certifications
    where
        certifications.delivery_id in (
            select deliveries.delivery_id
            from {{ source('lake', 'in_force_certifications') }} as deliveries
        )
)

select
    latest.certification_id,
    latest.person_id,
    latest.competency_id,
    latest.issued_at,
    {{ local_day('latest.issued_at', 'settings.time_zone') }} as issued_on,
    latest.expires_at,
    {{ local_day('latest.expires_at', 'settings.time_zone') }} as expires_on,
    latest.revoked_at,
    {{ local_day('latest.revoked_at', 'settings.time_zone') }} as revoked_on
from in_force as latest
cross join {{ ref('stg_control__settings') }} as settings
where latest.recency = 1
