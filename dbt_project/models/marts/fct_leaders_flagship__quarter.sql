{{ config(tags=['quarter']) }}

{{ fct_leaders_flagship('quarter') }}
