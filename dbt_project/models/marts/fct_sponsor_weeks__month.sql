{{ config(tags=['month']) }}

{{ fct_sponsor_weeks('month') }}
