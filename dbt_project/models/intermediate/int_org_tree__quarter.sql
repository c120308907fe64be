{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_org_tree('quarter') }}
