{{ config(tags=['week']) }}

{{ leader_plan('week') }}
