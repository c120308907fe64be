{{ config(tags=['quarter']) }}

{{ kpi_comments('quarter') }}
