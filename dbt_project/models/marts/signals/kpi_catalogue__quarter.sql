{{ config(tags=['quarter']) }}

{{ kpi_catalogue('quarter') }}
