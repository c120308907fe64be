{{ config(tags=['month']) }}

{{ exclusions('month') }}
