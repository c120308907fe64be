{{ config(tags=['week']) }}

{{ kpi_signals('week') }}
