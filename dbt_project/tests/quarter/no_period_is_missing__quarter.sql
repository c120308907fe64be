{{
    config(
        tags=['quarter'],
        meta={'dagster': {'ref': {'name': 'kpi_values__quarter'}}},
    )
}}

{{ no_period_is_missing('quarter') }}
