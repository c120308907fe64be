{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_programme_units('quarter') }}
