{{ config(tags=['quarter']) }}

{{ exclusions('quarter') }}
