{{ config(tags=['quarter']) }}

{{ kpi_signals('quarter') }}
