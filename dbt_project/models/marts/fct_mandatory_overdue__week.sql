{{ config(tags=['week']) }}

{{ fct_mandatory_overdue('week') }}
