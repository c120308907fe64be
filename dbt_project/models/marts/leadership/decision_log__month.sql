{{ config(tags=['month']) }}

{{ decision_log('month') }}
