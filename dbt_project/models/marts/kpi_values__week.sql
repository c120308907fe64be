{{ config(tags=['week']) }}

{{ kpi_values('week') }}
