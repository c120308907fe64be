{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_programme_units('month') }}
