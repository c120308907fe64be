{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_leave_spells('quarter') }}
