{{ config(tags=['month']) }}

{{ leader_plan('month') }}
