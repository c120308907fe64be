{{
    config(
        tags=['week'],
        meta={'dagster': {'ref': {'name': 'exclusions__week'}}},
    )
}}

{{ everyone_is_accounted_for('week') }}
