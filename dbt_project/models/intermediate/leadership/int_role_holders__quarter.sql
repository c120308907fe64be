{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_role_holders('quarter') }}
