{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_managers('quarter') }}
