{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_role_spans('week') }}
