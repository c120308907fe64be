{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_leave_spells('week') }}
