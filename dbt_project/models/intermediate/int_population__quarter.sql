{{ config(tags=['quarter']) }}

{{ int_population('quarter') }}
