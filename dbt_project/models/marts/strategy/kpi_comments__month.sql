{{ config(tags=['month']) }}

{{ kpi_comments('month') }}
