{{ config(tags=['quarter']) }}

{{ initiatives('quarter') }}
