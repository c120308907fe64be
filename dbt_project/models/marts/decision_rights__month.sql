{{ config(tags=['month']) }}

{{ decision_rights('month') }}
