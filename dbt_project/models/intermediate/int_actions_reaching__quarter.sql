{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_actions_reaching('quarter') }}
