{{ config(tags=['month']) }}

{{ decommission_candidates('month') }}
