{{ config(tags=['month']) }}

{{ fct_first_completions('month') }}
