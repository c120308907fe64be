{# The rows that an early warning stands on: ids and dates, and no name of a person. #}
{% macro early_warning_evidence(grain) -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

warnings as (
    select * from {{ of_grain('early_warnings', grain) }}
),

in_force as (
    select
        warnings.period_start,
        warnings.warning_id,
        warnings.org_unit_id,
        warnings.parameter,
        spells.evidence_kind,
        spells.evidence_id,
        spells.note,
        min(spells.evidence_on) as evidence_on,
        sum(spells.weight) as weight,
        max(spells.divisor) as divisor
    from warnings
    inner join periods on warnings.period_start = periods.period_start
    inner join {{ of_grain('int_warning_spells', grain) }} as spells
        on
            warnings.period_start = spells.period_start
            and warnings.parameter = spells.parameter
            and warnings.org_unit_id = spells.org_unit_id
            and periods.period_end between spells.from_on and spells.to_on
    group by
        warnings.period_start,
        warnings.warning_id,
        warnings.org_unit_id,
        warnings.parameter,
        spells.evidence_kind,
        spells.evidence_id,
        spells.note
),

delegated as (
    select
        warnings.period_start,
        warnings.warning_id,
        warnings.org_unit_id,
        reaching.action_id,
        reaching.kind,
        reaching.function_id,
        reaching.happened_on
    from warnings
    inner join {{ of_grain('int_recorded_weeks', grain) }} as recorded
        on warnings.period_start = recorded.period_start
    inner join {{ of_grain('int_actions_reaching', grain) }} as reaching
        on
            warnings.period_start = reaching.period_start
            and warnings.org_unit_id = reaching.org_unit_id
            and reaching.happened_on >= warnings.since_on
            and reaching.week_start
            > {{ add_days('recorded.last_week_start', '-7 * warnings.threshold') }}
    where warnings.parameter = 'weeks_with_one_function_only'
),

evidence as (
    select
        in_force.period_start,
        in_force.warning_id,
        in_force.org_unit_id,
        in_force.evidence_kind,
        in_force.evidence_id,
        in_force.evidence_on,
        -- hours of fewer heads than may be shown stay unsaid
        case
            when
                in_force.parameter = 'mandatory_hours_due_per_head_in_30_days'
                and in_force.divisor >= 60 * settings.privacy_threshold
                then concat(
                    coalesce(in_force.note, in_force.evidence_id),
                    ': ',
                    cast(
                        cast(
                            {{ rounded_quotient(
                                whole('in_force.weight'), whole('in_force.divisor'), 2
                            ) }}
                            as decimal(18, 2)
                        ) as string
                    ),
                    ' h a head'
                )
            else in_force.note
        end as note
    from in_force
    cross join {{ ref('stg_control__settings') }} as settings
    union all
    -- nothing on record is said to be that
    select
        warnings.period_start,
        warnings.warning_id,
        warnings.org_unit_id,
        case when silence.last_action_id is null then 'no_record' else 'leader_action' end
            as evidence_kind,
        coalesce(silence.last_action_id, warnings.org_unit_id) as evidence_id,
        coalesce(silence.last_action_on, warnings.since_on) as evidence_on,
        case
            when silence.last_action_id is null then 'no action on record since then'
            else 'the last one on record'
        end as note
    from warnings
    inner join {{ of_grain('int_sponsor_silence', grain) }} as silence
        on
            warnings.period_start = silence.period_start
            and warnings.org_unit_id = silence.org_unit_id
    where warnings.parameter = 'weeks_without_sponsor_action'
    union all
    select
        warnings.period_start,
        warnings.warning_id,
        warnings.org_unit_id,
        'message' as evidence_kind,
        messages.message_id as evidence_id,
        messages.issued_on as evidence_on,
        messages.core_sentence as note
    from warnings
    inner join {{ ref('messages') }} as messages on warnings.message_id = messages.message_id
    where
        warnings.parameter in ('core_sentence_age_in_days', 'cascade_percent_in_10_days')
    union all
    select
        delegated.period_start,
        delegated.warning_id,
        delegated.org_unit_id,
        'leader_action' as evidence_kind,
        delegated.action_id as evidence_id,
        delegated.happened_on as evidence_on,
        delegated.kind as note
    from delegated
    union all
    select
        delegated.period_start,
        delegated.warning_id,
        delegated.org_unit_id,
        'org_unit' as evidence_kind,
        delegated.function_id as evidence_id,
        min(delegated.happened_on) as evidence_on,
        'the one function that acts' as note
    from delegated
    group by
        delegated.period_start,
        delegated.warning_id,
        delegated.org_unit_id,
        delegated.function_id
)

select
    evidence.period_start,
    evidence.warning_id,
    evidence.org_unit_id,
    evidence.evidence_kind,
    evidence.evidence_id,
    evidence.evidence_on,
    evidence.note
from evidence
{%- endmacro %}
