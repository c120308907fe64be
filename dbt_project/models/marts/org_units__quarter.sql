{{ config(tags=['quarter']) }}

{{ org_units('quarter') }}
