{{ config(tags=['week'], meta={'unpublished': true}) }}

{{ int_flagship_completions('week') }}
