{{
    config(
        tags=['month'],
        meta={'dagster': {'ref': {'name': 'kpi_values__month'}}},
    )
}}

{{ whole_is_sum_of_rows('month') }}
