{{
    config(
        tags=['week'],
        meta={'dagster': {'ref': {'name': 'kpi_values__week'}}},
    )
}}

{{ whole_is_sum_of_rows('week') }}
