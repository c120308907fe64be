{{ config(tags=['quarter']) }}

{{ leader_plan('quarter') }}
