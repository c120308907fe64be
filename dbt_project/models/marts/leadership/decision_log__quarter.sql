{{ config(tags=['quarter']) }}

{{ decision_log('quarter') }}
