{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_sponsor_silence('quarter') }}
