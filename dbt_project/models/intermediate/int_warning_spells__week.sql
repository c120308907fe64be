{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_warning_spells('week') }}
