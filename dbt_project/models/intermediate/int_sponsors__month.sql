{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_sponsors('month') }}
