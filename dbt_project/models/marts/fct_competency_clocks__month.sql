{{ config(tags=['month']) }}

{{ fct_competency_clocks('month') }}
