{{ config(tags=['quarter']) }}

{{ decision_rights('quarter') }}
