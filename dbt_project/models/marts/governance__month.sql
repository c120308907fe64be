{{ config(tags=['month']) }}

{{ governance('month') }}
