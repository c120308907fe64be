{{ config(tags=['quarter']) }}

{{ decommission_candidates('quarter') }}
