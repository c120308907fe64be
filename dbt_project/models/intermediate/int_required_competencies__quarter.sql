{{ config(tags=['quarter'], meta={'unpublished': true}) }}

{{ int_required_competencies('quarter') }}
