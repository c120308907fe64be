{{ config(tags=['week']) }}

{{ initiatives('week') }}
