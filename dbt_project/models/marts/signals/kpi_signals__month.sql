{{ config(tags=['month']) }}

{{ kpi_signals('month') }}
