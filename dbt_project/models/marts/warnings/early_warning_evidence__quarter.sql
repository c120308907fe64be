{{ config(tags=['quarter']) }}

{{ early_warning_evidence('quarter') }}
