{{ config(tags=['month']) }}

{{ initiatives('month') }}
