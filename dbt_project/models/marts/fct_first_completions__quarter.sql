{{ config(tags=['quarter']) }}

{{ fct_first_completions('quarter') }}
