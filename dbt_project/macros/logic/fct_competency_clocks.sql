{# One clock a person and required competency, started in the 12 months up to the period's end. #}
{% macro fct_competency_clocks(grain) -%}
with

clocks as (
    select
        required.*,
        least(required.period_end, coalesce(required.left_on, required.period_end)) as watched_to
    from {{ of_grain('int_required_competencies', grain) }} as required
    left join {{ of_grain('int_population', grain) }} as population
        on
            required.period_start = population.period_start
            and required.person_id = population.person_id
    where
        required.clock_started_on
        >= {{ add_months(add_days('required.period_end', 1), -12) }}
        and required.clock_started_on <= required.period_end
        and (required.left_on is null or required.left_on >= required.clock_started_on)
        and coalesce(population.exclusion_reason, '') not in ('on_leave', 'not_yet_hired')
),

already_certified as (
    select distinct
        clocks.period_start,
        clocks.person_id,
        clocks.competency_id
    from clocks
    inner join {{ ref('stg_lake__certifications') }} as certifications
        on
            clocks.person_id = certifications.person_id
            and clocks.competency_id = certifications.competency_id
            and certifications.issued_on < clocks.clock_started_on
            and (
                certifications.expires_on is null
                or certifications.expires_on > clocks.clock_started_on
            )
            and (
                certifications.revoked_on is null
                or certifications.revoked_on > clocks.clock_started_on
            )
),

passes as (
    select
        clocks.period_start,
        clocks.person_id,
        clocks.competency_id,
        min(attempts.attempted_on) as first_passed_on
    from clocks
    inner join {{ ref('stg_lake__assessments') }} as attempts
        on clocks.person_id = attempts.person_id
    left join {{ of_grain('int_courses', grain) }} as courses
        on
            clocks.period_start = courses.period_start
            and attempts.course_id = courses.course_id
    where
        attempts.passed
        and coalesce(attempts.competency_id, courses.competency_id) = clocks.competency_id
        and attempts.attempted_on between clocks.clock_started_on and clocks.watched_to
    group by clocks.period_start, clocks.person_id, clocks.competency_id
)

select
    clocks.period_start,
    clocks.org_unit_id,
    clocks.employment_line,
    clocks.person_id,
    clocks.competency_id,
    clocks.clock_started_on,
    passes.first_passed_on,
    cast(
        {{ days_between(
            'clocks.clock_started_on', 'coalesce(passes.first_passed_on, clocks.watched_to)'
        ) }} as integer
    ) as duration_days,
    case when passes.first_passed_on is null then 0 else 1 end as has_passed,
    1 as in_denominator
from clocks
left join already_certified
    on
        clocks.period_start = already_certified.period_start
        and clocks.person_id = already_certified.person_id
        and clocks.competency_id = already_certified.competency_id
left join passes
    on
        clocks.period_start = passes.period_start
        and clocks.person_id = passes.person_id
        and clocks.competency_id = passes.competency_id
where already_certified.person_id is null
{%- endmacro %}
