{{ config(tags=['week']) }}

{{ early_warnings('week') }}
