{{ config(tags=['quarter']) }}

{{ fct_competency_clocks('quarter') }}
