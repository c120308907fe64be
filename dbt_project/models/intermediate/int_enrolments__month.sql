{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_enrolments('month') }}
