{{ config(tags=['quarter']) }}

{{ int_competency_survival('quarter') }}
