{{ config(tags=['quarter']) }}

{{ fct_enrolments_due('quarter') }}
