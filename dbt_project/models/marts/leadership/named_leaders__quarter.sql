{{ config(tags=['quarter']) }}

{{ named_leaders('quarter') }}
