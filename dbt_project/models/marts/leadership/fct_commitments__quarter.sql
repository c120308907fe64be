{{ config(tags=['quarter']) }}

{{ fct_commitments('quarter') }}
