{{ config(tags=['quarter']) }}

{{ change_split('quarter') }}
