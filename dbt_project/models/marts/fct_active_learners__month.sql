{{ config(tags=['month']) }}

{{ fct_active_learners('month') }}
