{{ config(tags=['week']) }}

{{ early_warning_evidence('week') }}
