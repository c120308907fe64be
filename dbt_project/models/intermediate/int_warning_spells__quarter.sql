{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_warning_spells('quarter') }}
