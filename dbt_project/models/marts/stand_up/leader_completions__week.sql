{{ config(tags=['week']) }}

{{ leader_completions('week') }}
