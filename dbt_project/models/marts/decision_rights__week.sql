{{ config(tags=['week']) }}

{{ decision_rights('week') }}
