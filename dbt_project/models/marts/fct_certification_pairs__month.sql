{{ config(tags=['month']) }}

{{ fct_certification_pairs('month') }}
