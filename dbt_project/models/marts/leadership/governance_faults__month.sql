{{ config(tags=['month']) }}

{{ governance_faults('month') }}
