{{ config(tags=['month']) }}

{{ early_warning_evidence('month') }}
