{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_leave_spells('month') }}
