{{ config(tags=['quarter']) }}

{{ message_cascade('quarter') }}
