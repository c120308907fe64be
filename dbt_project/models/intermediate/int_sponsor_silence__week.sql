{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_sponsor_silence('week') }}
