{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_role_holders('week') }}
