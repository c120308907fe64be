{{ config(tags=['month'], meta={'unpublished': true}) }}

{{ int_required_competencies('month') }}
