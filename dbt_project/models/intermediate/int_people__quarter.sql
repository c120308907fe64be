{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_people('quarter') }}
