{{ config(tags=['quarter']) }}

{{ leader_indices('quarter') }}
