{{ config(tags=['quarter']) }}

{{ fct_certification_pairs('quarter') }}
