{{ config(tags=['month']) }}

{{ early_warnings('month') }}
