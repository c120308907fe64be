{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_org_tree('month') }}
