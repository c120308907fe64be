{{
    config(
        tags=['quarter'],
        meta={'dagster': {'ref': {'name': 'kpi_values__quarter'}}},
    )
}}

{{ kpi_values_are_sound('quarter') }}
