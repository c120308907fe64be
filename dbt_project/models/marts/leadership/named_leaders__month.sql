{{ config(tags=['month']) }}

{{ named_leaders('month') }}
