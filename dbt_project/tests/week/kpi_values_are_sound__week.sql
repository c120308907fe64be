{{
    config(
        tags=['week'],
        meta={'dagster': {'ref': {'name': 'kpi_values__week'}}},
    )
}}

{{ kpi_values_are_sound('week') }}
