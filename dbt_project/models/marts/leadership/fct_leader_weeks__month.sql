{{ config(tags=['month']) }}

{{ fct_leader_weeks('month') }}
