{{ config(tags=['week']) }}

{{ kpi_catalogue('week') }}
