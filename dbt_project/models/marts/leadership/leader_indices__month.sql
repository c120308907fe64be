{{ config(tags=['month']) }}

{{ leader_indices('month') }}
