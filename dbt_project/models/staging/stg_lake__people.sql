{{ config(tags=['foundation']) }}

select
    people.person_id,
    people.valid_from,
    people.valid_to,
    people.full_name,
    people.email,
    people.manager_id,
    people.org_unit_id,
    people.job_role,
    coalesce(lower(trim(people.leader_level)), 'none') as leader_level,
    case
        when
            lower(trim(people.employment_type)) in (
                'contractor',
                'contingent',
                'contingent worker',
                'external',
                'freelance',
                'freelancer',
                'agency',
                'consultant'
            )
            then 'contractor'
        else 'employee'
    end as employment_line,
    people.hired_on,
    people.role_started_on,
    people.left_on,
    people.leave_from,
    people.leave_to
from {{ source('lake', 'versions_people') }} as people
