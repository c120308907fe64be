{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_people('month') }}
