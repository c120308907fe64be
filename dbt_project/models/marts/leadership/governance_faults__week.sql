{{ config(tags=['week']) }}

{{ governance_faults('week') }}
