{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_courses('month') }}
