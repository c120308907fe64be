{{ config(tags=['quarter']) }}

{{ early_warnings('quarter') }}
