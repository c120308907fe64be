{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_flagship_completions('month') }}
