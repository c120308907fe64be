{{ config(tags=['quarter']) }}

{{ leader_actions('quarter') }}
