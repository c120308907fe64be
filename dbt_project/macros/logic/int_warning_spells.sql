{# What adds to an early warning of too much at once, with the days on which it does. The windows of
   30 days are part of what is measured: a course published on a day counts that day and the 29
   after it, a duty from 30 days before it is due until the day before, other work that competes
   until 29 days after its end. #}
{% macro int_warning_spells(grain) -%}
{%- set for_ever = "date '9999-12-31'" -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

launched as (
    select * from {{ of_grain('int_programme_units', grain) }}
    where is_launched = 1
),

roots as (
    select
        tree.period_start,
        min(tree.org_unit_id) as org_unit_id
    from tree
    where tree.depth = 0
    group by tree.period_start
),

eligible as (
    select
        period_start,
        period_end,
        person_id,
        org_unit_id
    from {{ of_grain('int_population', grain) }}
    where is_eligible and employment_line = 'employee'
),

heads as (
    select
        launched.period_start,
        launched.org_unit_id,
        count(*) as heads
    from launched
    inner join tree
        on
            launched.period_start = tree.period_start
            and launched.org_unit_id = tree.ancestor_id
    inner join eligible
        on tree.period_start = eligible.period_start and tree.org_unit_id = eligible.org_unit_id
    group by launched.period_start, launched.org_unit_id
),

-- first due dates, since an extension must not hide what was asked of people
mandatory as (
    select
        eligible.period_start,
        eligible.period_end,
        eligible.org_unit_id,
        enrolments.course_id,
        enrolments.first_due_on,
        courses.title,
        courses.published_on,
        coalesce(courses.duration_minutes, 0) as minutes,
        {{ add_days('enrolments.first_due_on', -30) }} as window_from,
        enrolments.enrolled_on,
        least(
            enrolments.first_due_on,
            coalesce(enrolments.completed_on, {{ for_ever }}),
            coalesce(enrolments.cancelled_on, {{ for_ever }}),
            coalesce(courses.retired_on, {{ for_ever }})
        ) as open_until
    from eligible
    inner join {{ of_grain('int_enrolments', grain) }} as enrolments
        on
            eligible.person_id = enrolments.person_id
            and enrolments.enrolled_on <= eligible.period_end
    inner join {{ of_grain('int_courses', grain) }} as courses
        on
            eligible.period_start = courses.period_start
            and enrolments.course_id = courses.course_id
            and courses.is_mandatory
),

-- a year back says since when a warning has held
duties as (
    select
        mandatory.period_start,
        mandatory.org_unit_id,
        mandatory.course_id,
        mandatory.title,
        mandatory.first_due_on,
        greatest(mandatory.window_from, mandatory.enrolled_on) as from_on,
        {{ add_days('mandatory.open_until', -1) }} as to_on,
        sum(mandatory.minutes) as minutes
    from mandatory
    where
        mandatory.minutes > 0
        and mandatory.first_due_on > {{ add_months('mandatory.period_end', -12) }}
        and mandatory.window_from <= mandatory.period_end
        and mandatory.open_until > greatest(mandatory.window_from, mandatory.enrolled_on)
    group by
        mandatory.period_start,
        mandatory.org_unit_id,
        mandatory.course_id,
        mandatory.title,
        mandatory.first_due_on,
        greatest(mandatory.window_from, mandatory.enrolled_on),
        {{ add_days('mandatory.open_until', -1) }}
),

published as (
    select distinct
        mandatory.period_start,
        mandatory.org_unit_id,
        mandatory.course_id,
        mandatory.title,
        mandatory.published_on
    from mandatory
    where mandatory.published_on <= mandatory.period_end
),

initiatives as (
    select
        periods.period_start,
        initiatives.initiative_id,
        initiatives.kind,
        initiatives.title,
        initiatives.starts_on,
        initiatives.ends_on,
        case
            when coalesce(initiatives.org_unit_id, '*') = '*' then roots.org_unit_id
            else initiatives.org_unit_id
        end as org_unit_id
    from periods
    inner join roots on periods.period_start = roots.period_start
    inner join {{ ref('stg_lake__initiatives') }} as initiatives
        on
            {{ holds_on('initiatives', 'periods.period_end') }}
            and initiatives.kind in ('launch', 'competing_work')
            and initiatives.starts_on <= periods.period_end
),

messages as (
    select
        periods.period_start,
        messages.message_id,
        messages.core_sentence,
        messages.issued_on,
        messages.expires_on,
        case
            when messages.audience_org_unit_id = '*' then roots.org_unit_id
            else messages.audience_org_unit_id
        end as org_unit_id
    from periods
    inner join roots on periods.period_start = roots.period_start
    inner join {{ ref('messages') }} as messages on messages.issued_on <= periods.period_end
),

audiences as (
    select distinct
        messages.period_start,
        messages.org_unit_id
    from messages
),

spells as (
    select
        launched.period_start,
        'mandatory_launches_in_30_days' as parameter,
        launched.org_unit_id,
        'course' as evidence_kind,
        published.course_id as evidence_id,
        published.published_on as evidence_on,
        published.title as note,
        published.published_on as from_on,
        {{ add_days('published.published_on', 29) }} as to_on,
        1 as weight
    from launched
    inner join tree
        on
            launched.period_start = tree.period_start
            and launched.org_unit_id = tree.ancestor_id
    inner join published
        on tree.period_start = published.period_start and tree.org_unit_id = published.org_unit_id
    group by
        launched.period_start,
        launched.org_unit_id,
        published.course_id,
        published.published_on,
        published.title
    union all
    select
        launched.period_start,
        case
            when initiatives.kind = 'launch' then 'mandatory_launches_in_30_days'
            else 'competing_initiatives_in_30_days'
        end as parameter,
        launched.org_unit_id,
        'initiative' as evidence_kind,
        initiatives.initiative_id as evidence_id,
        initiatives.starts_on as evidence_on,
        initiatives.title as note,
        initiatives.starts_on as from_on,
        case
            when initiatives.kind = 'launch' then {{ add_days('initiatives.starts_on', 29) }}
            when initiatives.ends_on is not null then {{ add_days('initiatives.ends_on', 29) }}
            else {{ for_ever }}
        end as to_on,
        1 as weight
    from launched
    inner join tree
        on
            launched.period_start = tree.period_start
            and launched.org_unit_id = tree.org_unit_id
    inner join initiatives
        on
            tree.period_start = initiatives.period_start
            and tree.ancestor_id = initiatives.org_unit_id
    union all
    select
        launched.period_start,
        'mandatory_hours_due_per_head_in_30_days' as parameter,
        launched.org_unit_id,
        'course' as evidence_kind,
        duties.course_id as evidence_id,
        duties.first_due_on as evidence_on,
        duties.title as note,
        duties.from_on,
        duties.to_on,
        sum(duties.minutes) as weight
    from launched
    inner join tree
        on
            launched.period_start = tree.period_start
            and launched.org_unit_id = tree.ancestor_id
    inner join duties
        on tree.period_start = duties.period_start and tree.org_unit_id = duties.org_unit_id
    group by
        launched.period_start,
        launched.org_unit_id,
        duties.course_id,
        duties.first_due_on,
        duties.title,
        duties.from_on,
        duties.to_on
    union all
    select
        audiences.period_start,
        'live_messages_for_one_audience' as parameter,
        audiences.org_unit_id,
        'message' as evidence_kind,
        messages.message_id as evidence_id,
        messages.issued_on as evidence_on,
        messages.core_sentence as note,
        messages.issued_on as from_on,
        messages.expires_on as to_on,
        1 as weight
    from audiences
    inner join tree
        on
            audiences.period_start = tree.period_start
            and audiences.org_unit_id = tree.org_unit_id
    inner join messages
        on tree.period_start = messages.period_start and tree.ancestor_id = messages.org_unit_id
)

select
    spells.period_start,
    spells.parameter,
    spells.org_unit_id,
    spells.evidence_kind,
    spells.evidence_id,
    spells.evidence_on,
    spells.note,
    spells.from_on,
    spells.to_on,
    cast(spells.weight as bigint) as weight,
    -- minutes a head become hours
    cast(
        case
            when spells.parameter = 'mandatory_hours_due_per_head_in_30_days' then 60 * heads.heads
            else 1
        end as bigint
    ) as divisor
from spells
left join heads
    on spells.period_start = heads.period_start and spells.org_unit_id = heads.org_unit_id
where spells.to_on >= spells.from_on
{%- endmacro %}
