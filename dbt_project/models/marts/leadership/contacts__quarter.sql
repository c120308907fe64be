{{ config(tags=['quarter']) }}

{{ contacts('quarter') }}
