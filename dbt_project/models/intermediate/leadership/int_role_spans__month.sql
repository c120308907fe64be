{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_role_spans('month') }}
