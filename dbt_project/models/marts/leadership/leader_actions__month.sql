{{ config(tags=['month']) }}

{{ leader_actions('month') }}
