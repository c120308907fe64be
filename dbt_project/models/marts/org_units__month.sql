{{ config(tags=['month']) }}

{{ org_units('month') }}
