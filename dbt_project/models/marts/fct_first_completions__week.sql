{{ config(tags=['week']) }}

{{ fct_first_completions('week') }}
