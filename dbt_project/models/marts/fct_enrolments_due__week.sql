{{ config(tags=['week']) }}

{{ fct_enrolments_due('week') }}
