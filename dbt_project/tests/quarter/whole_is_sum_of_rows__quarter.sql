{{
    config(
        tags=['quarter'],
        meta={'dagster': {'ref': {'name': 'kpi_values__quarter'}}},
    )
}}

{{ whole_is_sum_of_rows('quarter') }}
