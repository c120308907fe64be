{{ config(tags=['quarter']) }}

{{ fct_outcomes('quarter') }}
