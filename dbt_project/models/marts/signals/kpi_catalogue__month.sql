{{ config(tags=['month']) }}

{{ kpi_catalogue('month') }}
