{{ config(tags=['week']) }}

{{ fct_active_learners('week') }}
