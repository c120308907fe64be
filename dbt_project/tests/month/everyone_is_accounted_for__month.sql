{{
    config(
        tags=['month'],
        meta={'dagster': {'ref': {'name': 'exclusions__month'}}},
    )
}}

{{ everyone_is_accounted_for('month') }}
