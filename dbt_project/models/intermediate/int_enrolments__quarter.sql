{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_enrolments() }}
