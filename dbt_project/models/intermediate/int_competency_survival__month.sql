{{ config(tags=['month']) }}

{{ int_competency_survival('month') }}
