{{ config(tags=['month']) }}

{{ int_population('month') }}
