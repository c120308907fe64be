{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_recorded_weeks('month') }}
