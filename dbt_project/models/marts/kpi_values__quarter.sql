{{ config(tags=['quarter']) }}

{{ kpi_values('quarter') }}
