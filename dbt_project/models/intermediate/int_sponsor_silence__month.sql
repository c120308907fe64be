{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_sponsor_silence('month') }}
