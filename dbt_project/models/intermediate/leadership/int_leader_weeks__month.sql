{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_leader_weeks('month') }}
