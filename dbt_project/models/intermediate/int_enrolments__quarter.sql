{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_enrolments('quarter') }}
