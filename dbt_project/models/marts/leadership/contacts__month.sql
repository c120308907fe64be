{{ config(tags=['month']) }}

{{ contacts('month') }}
