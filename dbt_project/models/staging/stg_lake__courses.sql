{{ config(tags=['foundation']) }}

select
    courses.course_id,
    courses.valid_from,
    courses.valid_to,
    courses.title,
    courses.category,
    courses.competency_id,
    coalesce(courses.is_flagship, false) as is_flagship,
    coalesce(courses.is_mandatory, false) as is_mandatory,
    courses.owner_person_id,
    courses.approved_by_person_id,
    courses.published_on,
    courses.review_due_on,
    courses.retired_on,
    courses.duration_minutes,
    row_number() over (partition by courses.course_id order by courses.valid_from) = 1
        as is_first_version
from {{ source('lake', 'versions_courses') }} as courses
