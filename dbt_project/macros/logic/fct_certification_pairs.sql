{# (person, required competency) pairs of eligible people, at the period's end. #}
{% macro fct_certification_pairs(grain) -%}
with

certificates as (
    select
        required.period_start,
        required.person_id,
        required.competency_id,
        max(coalesce(certifications.expires_on, date '9999-12-31')) as valid_until
    from {{ of_grain('int_required_competencies', grain) }} as required
    inner join {{ ref('stg_lake__certifications') }} as certifications
        on
            required.person_id = certifications.person_id
            and required.competency_id = certifications.competency_id
            and certifications.issued_on <= required.period_end
            and (
                certifications.expires_on is null
                or certifications.expires_on > required.period_end
            )
            and (
                certifications.revoked_on is null
                or certifications.revoked_on > required.period_end
            )
    group by required.period_start, required.person_id, required.competency_id
),

pairs as (
    select
        required.period_start,
        required.period_end,
        required.org_unit_id,
        required.employment_line,
        required.person_id,
        required.competency_id,
        {{ add_days('required.clock_started_on', 'required.grace_days') }} as counts_from,
        certificates.valid_until
    from {{ of_grain('int_required_competencies', grain) }} as required
    inner join {{ of_grain('int_population', grain) }} as population
        on
            required.period_start = population.period_start
            and required.person_id = population.person_id
    left join certificates
        on
            required.period_start = certificates.period_start
            and required.person_id = certificates.person_id
            and required.competency_id = certificates.competency_id
    where population.is_eligible
)

select
    period_start,
    org_unit_id,
    employment_line,
    person_id,
    competency_id,
    counts_from,
    valid_until,
    case when counts_from <= period_end then 1 else 0 end as in_denominator,
    case when counts_from <= period_end and valid_until is not null then 1 else 0 end
        as in_numerator,
    case
        when
            counts_from <= period_end
            and valid_until <= {{ add_days('period_end', 60) }}
            then 1
        else 0
    end as lapses_in_60_days
from pairs
{%- endmacro %}
