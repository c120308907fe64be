{{ config(tags=['month']) }}

{{ fct_leaders_flagship('month') }}
