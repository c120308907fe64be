{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_flagship_completions('quarter') }}
