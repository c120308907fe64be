{{ config(tags=['quarter']) }}

{{ governance('quarter') }}
