{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        on_schema_change='fail',
        partition_by=['event_day'],
        tags=['day'],
        pre_hook="{{ forget_days(this) }}",
    )
}}

with

events as (
    {{ events_of_this_build() }}
),

-- from when to when a verb counts from how many seconds: joined by verb alone, a fraction of the
-- cost of a table of verbs by day
changes as (
    select
        verbs.verb,
        verbs.valid_from as since
    from {{ ref('learning_verbs') }} as verbs
    union distinct
    select
        verbs.verb,
        verbs.valid_to as since
    from {{ ref('learning_verbs') }} as verbs
    where verbs.valid_to is not null
),

spans as (
    select
        changes.verb,
        changes.since,
        lead(changes.since) over (partition by changes.verb order by changes.since) as until
    from changes
),

verb_spans as (
    select
        spans.verb,
        spans.since,
        spans.until,
        min(verbs.min_seconds) as min_seconds
    from spans
    inner join {{ ref('learning_verbs') }} as verbs
        on
            spans.verb = verbs.verb
            and {{ holds_on('verbs', 'spans.since') }}
    group by spans.verb, spans.since, spans.until
),

judged as (
    select
        events.event_day,
        events.person_id,
        events.course_id,
        events.seconds,
        case
            when verb_spans.verb is not null and events.seconds >= verb_spans.min_seconds then 1
            else 0
        end as counts
    from events
    left join verb_spans
        on
            events.verb = verb_spans.verb
            and events.event_day >= verb_spans.since
            and (verb_spans.until is null or events.event_day < verb_spans.until)
)

select
    event_day,
    person_id,
    course_id,
    cast(count(*) as bigint) as events,
    cast(sum(counts) as bigint) as learning_events,
    cast(sum(counts * seconds) as bigint) as learning_seconds
from judged
group by event_day, person_id, course_id
