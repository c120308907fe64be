{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_programme_units('week') }}
