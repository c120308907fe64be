{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_enrolments('week') }}
