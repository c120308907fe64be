{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_leader_weeks('quarter') }}
