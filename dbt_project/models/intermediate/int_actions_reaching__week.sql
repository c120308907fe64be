{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_actions_reaching('week') }}
