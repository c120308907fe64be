{{ config(tags=['week']) }}

{{ course_rises('week') }}
