{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_warning_spells('month') }}
