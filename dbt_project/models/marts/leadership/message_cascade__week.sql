{{ config(tags=['week']) }}

{{ message_cascade('week') }}
