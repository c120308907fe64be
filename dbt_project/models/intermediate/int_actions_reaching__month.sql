{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_actions_reaching('month') }}
