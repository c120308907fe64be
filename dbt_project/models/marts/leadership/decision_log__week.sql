{{ config(tags=['week']) }}

{{ decision_log('week') }}
