{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_recorded_weeks('quarter') }}
