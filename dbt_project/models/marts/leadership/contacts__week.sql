{{ config(tags=['week']) }}

{{ contacts('week') }}
