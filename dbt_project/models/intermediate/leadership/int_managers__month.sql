{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_managers('month') }}
