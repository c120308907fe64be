{{ config(tags=['week']) }}

{{ stalled_enrolments('week') }}
