{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_courses('quarter') }}
