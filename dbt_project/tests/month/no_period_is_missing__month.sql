{{
    config(
        tags=['month'],
        meta={'dagster': {'ref': {'name': 'kpi_values__month'}}},
    )
}}

{{ no_period_is_missing('month') }}
