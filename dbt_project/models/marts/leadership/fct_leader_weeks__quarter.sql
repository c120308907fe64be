{{ config(tags=['quarter']) }}

{{ fct_leader_weeks('quarter') }}
