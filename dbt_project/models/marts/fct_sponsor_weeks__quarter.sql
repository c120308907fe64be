{{ config(tags=['quarter']) }}

{{ fct_sponsor_weeks('quarter') }}
