{{ config(tags=['quarter']) }}

{{ fct_mandatory_overdue('quarter') }}
