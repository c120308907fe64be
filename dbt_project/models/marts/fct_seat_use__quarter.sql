{{ config(tags=['quarter']) }}

{{ fct_seat_use('quarter') }}
