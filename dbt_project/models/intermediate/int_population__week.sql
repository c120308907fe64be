{{ config(tags=['week']) }}

{{ int_population('week') }}
