{{ config(tags=['quarter']) }}

{{ fct_active_learners('quarter') }}
