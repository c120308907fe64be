{{ config(tags=['month']) }}

{{ kpi_values('month') }}
