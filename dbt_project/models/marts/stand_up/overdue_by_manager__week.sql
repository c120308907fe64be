{{ config(tags=['week']) }}

{{ overdue_by_manager('week') }}
