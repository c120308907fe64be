{{ config(tags=['month']) }}

{{ message_cascade('month') }}
