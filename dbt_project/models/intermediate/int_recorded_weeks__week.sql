{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_recorded_weeks('week') }}
