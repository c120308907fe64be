{{ config(tags=['week']) }}

{{ exclusions('week') }}
