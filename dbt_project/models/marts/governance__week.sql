{{ config(tags=['week']) }}

{{ governance('week') }}
