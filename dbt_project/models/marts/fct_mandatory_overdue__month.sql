{{ config(tags=['month']) }}

{{ fct_mandatory_overdue('month') }}
