{{ config(tags=['week']) }}

{{ named_leaders('week') }}
