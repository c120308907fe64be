{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_sponsors('quarter') }}
