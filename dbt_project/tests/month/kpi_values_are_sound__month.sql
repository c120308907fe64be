{{
    config(
        tags=['month'],
        meta={'dagster': {'ref': {'name': 'kpi_values__month'}}},
    )
}}

{{ kpi_values_are_sound('month') }}
