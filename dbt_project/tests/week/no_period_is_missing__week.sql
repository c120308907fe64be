{{
    config(
        tags=['week'],
        meta={'dagster': {'ref': {'name': 'kpi_values__week'}}},
    )
}}

{{ no_period_is_missing('week') }}
