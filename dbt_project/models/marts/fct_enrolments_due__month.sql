{{ config(tags=['month']) }}

{{ fct_enrolments_due('month') }}
