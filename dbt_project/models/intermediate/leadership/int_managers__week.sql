{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_managers('week') }}
