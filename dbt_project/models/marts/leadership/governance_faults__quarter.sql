{{ config(tags=['quarter']) }}

{{ governance_faults('quarter') }}
