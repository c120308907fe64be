{{ config(tags=['week']) }}

{{ org_units('week') }}
