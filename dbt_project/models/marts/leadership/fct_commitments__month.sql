{{ config(tags=['month']) }}

{{ fct_commitments('month') }}
