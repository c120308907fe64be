{{ config(tags=['week']) }}

{{ leader_actions('week') }}
