{{
    config(
        tags=['quarter'],
        meta={'dagster': {'ref': {'name': 'exclusions__quarter'}}},
    )
}}

{{ everyone_is_accounted_for('quarter') }}
