{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_org_tree('week') }}
