{# Early warnings of the failure pattern, by the thresholds in force at the period's end.

   What is measured has a parameter in the seed early_warnings; of several thresholds of one
   parameter that are passed, the furthest warns. Conditions that hold over spans of days are swept
   day by day, so that since_on is the first day on which they held without a break. A quarter is
   warned of what holds at its end, as its last month is. due_on counts calendar days, since days
   off are not known here: the earliest day, which the scorecard moves past them. #}
{% macro early_warnings(grain) -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

roots as (
    select
        tree.period_start,
        min(tree.org_unit_id) as org_unit_id
    from tree
    where tree.depth = 0
    group by tree.period_start
),

launched as (
    select * from {{ of_grain('int_programme_units', grain) }}
    where is_launched = 1
),

versions as (
    select
        periods.period_start,
        periods.period_end,
        warnings.*,
        row_number() over (
            partition by periods.period_start, warnings.warning_id
            order by warnings.valid_from desc
        ) as recency
    from periods
    inner join {{ ref('early_warnings') }} as warnings
        on warnings.valid_from <= periods.period_end
),

thresholds as (
    select
        period_start,
        period_end,
        warning_id,
        pain_point,
        parameter,
        comparison,
        value,
        countermeasure,
        owner_role,
        action_days
    from versions
    where recency = 1
),

rules as (
    select
        periods.period_start,
        max_by(rules.value, rules.valid_from) as action_days
    from periods
    inner join {{ ref('review_rules') }} as rules
        on rules.valid_from <= periods.period_end and rules.rule = 'action_days'
    group by periods.period_start
),

-- too much at once: what comes and goes by day
changes as (
    select
        spells.period_start,
        spells.parameter,
        spells.org_unit_id,
        spells.divisor,
        spells.from_on as day,
        spells.weight as change
    from {{ of_grain('int_warning_spells', grain) }} as spells
    union all
    select
        spells.period_start,
        spells.parameter,
        spells.org_unit_id,
        spells.divisor,
        {{ add_days('spells.to_on', 1) }} as day,
        -spells.weight as change
    from {{ of_grain('int_warning_spells', grain) }} as spells
    inner join periods on spells.period_start = periods.period_start
    where spells.to_on < periods.period_end
),

days as (
    select
        changes.period_start,
        changes.parameter,
        changes.org_unit_id,
        changes.divisor,
        changes.day,
        sum(changes.change) as change
    from changes
    group by
        changes.period_start,
        changes.parameter,
        changes.org_unit_id,
        changes.divisor,
        changes.day
),

levels as (
    select
        days.*,
        sum(days.change) over (
            partition by days.period_start, days.parameter, days.org_unit_id
            order by days.day
            rows between unbounded preceding and current row
        ) as level
    from days
),

measured_days as (
    select
        levels.period_start,
        levels.parameter,
        levels.org_unit_id,
        levels.day,
        {{ rounded_quotient(whole('levels.level'), whole('levels.divisor'), 4) }} as measured
    from levels
),

swept as (
    select
        thresholds.warning_id,
        measured_days.*,
        max(measured_days.day) over course as last_day,
        max(
            case
                when not {{ _warns('measured_days.measured', 'thresholds') }} then measured_days.day
            end
        ) over course as last_quiet_day
    from measured_days
    inner join thresholds
        on
            measured_days.period_start = thresholds.period_start
            and measured_days.parameter = thresholds.parameter
    window
        course as (
            partition by
                measured_days.period_start, thresholds.warning_id, measured_days.org_unit_id
        )
),

too_much as (
    select
        swept.period_start,
        swept.warning_id,
        swept.org_unit_id,
        max(case when swept.day = swept.last_day then swept.measured end) as measured,
        min(
            case
                when swept.last_quiet_day is null or swept.day > swept.last_quiet_day
                    then swept.day
            end
        ) as since_on
    from swept
    where swept.last_quiet_day is null or swept.last_quiet_day < swept.last_day
    group by swept.period_start, swept.warning_id, swept.org_unit_id
),

live_messages as (
    select
        spells.period_start,
        spells.org_unit_id,
        max_by(
            spells.evidence_id, concat(cast(spells.evidence_on as string), spells.evidence_id)
        ) as message_id
    from {{ of_grain('int_warning_spells', grain) }} as spells
    inner join periods on spells.period_start = periods.period_start
    where
        spells.parameter = 'live_messages_for_one_audience'
        and spells.to_on >= periods.period_end
    group by spells.period_start, spells.org_unit_id
),

-- a sentence is in use while its message is live, and as long as leaders still pass it on
sentences_in_use as (
    select
        periods.period_start,
        messages.message_id,
        messages.issued_on,
        {{ days_between('messages.issued_on', 'periods.period_end') }} as age_days,
        case
            when messages.audience_org_unit_id = '*' then roots.org_unit_id
            else messages.audience_org_unit_id
        end as org_unit_id
    from periods
    inner join roots on periods.period_start = roots.period_start
    inner join {{ ref('messages') }} as messages on messages.issued_on <= periods.period_end
    left join (
        select distinct
            cited.period_start,
            actions.message_id
        from periods as cited
        inner join {{ ref('stg_lake__leader_actions') }} as actions
            on
                actions.happened_on
{%- if grain == 'quarter' %}
                between {{ start_of('month', 'cited.period_end') }} and cited.period_end
{%- else %}
                between cited.period_start and cited.period_end
{%- endif %}
    ) as citations
        on
            periods.period_start = citations.period_start
            and messages.message_id = citations.message_id
    where messages.expires_on >= periods.period_end or citations.message_id is not null
),

-- a newer message for the audience, or for a unit above it, replaces the older one
newest_sentences as (
    select
        audiences.period_start,
        audiences.org_unit_id,
        sentences_in_use.message_id,
        sentences_in_use.issued_on,
        sentences_in_use.age_days,
        sentences_in_use.org_unit_id as audience_id,
        row_number() over (
            partition by audiences.period_start, audiences.org_unit_id
            order by sentences_in_use.issued_on desc, sentences_in_use.message_id desc
        ) as recency
    from (
        select distinct
            sentences_in_use.period_start,
            sentences_in_use.org_unit_id
        from sentences_in_use
    ) as audiences
    inner join tree
        on
            audiences.period_start = tree.period_start
            and audiences.org_unit_id = tree.org_unit_id
    inner join sentences_in_use
        on
            tree.period_start = sentences_in_use.period_start
            and tree.ancestor_id = sentences_in_use.org_unit_id
),

-- judged once the ten days are over, while the message is live
cascades as (
    select
        cascade.period_start,
        cascade.org_unit_id,
        cascade.message_id,
        cascade.issued_on,
        cascade.managers,
        cascade.confirmed_in_window,
        row_number() over (
            partition by cascade.period_start, cascade.org_unit_id
            order by cascade.issued_on desc, cascade.message_id desc
        ) as recency
    from {{ of_grain('message_cascade', grain) }} as cascade
    inner join launched
        on
            cascade.period_start = launched.period_start
            and cascade.org_unit_id = launched.org_unit_id
    where
        cascade.is_live = 1
        and cascade.age_days >= 10
        and cascade.managers > 0
),

-- what leaders did for a unit, by function; people right of the whole belong to none
by_function as (
    select
        reaching.period_start,
        reaching.org_unit_id,
        reaching.function_id,
        max(reaching.happened_on) as last_on
    from {{ of_grain('int_actions_reaching', grain) }} as reaching
    group by reaching.period_start, reaching.org_unit_id, reaching.function_id
),

functions as (
    select
        tree.period_start,
        count(*) as functions
    from tree
    where tree.distance = 0 and tree.depth = 1
    group by tree.period_start
),

-- a unit led by its own line is not delegated
own_lines as (
    select
        tree.period_start,
        tree.org_unit_id,
        tree.ancestor_id as function_id
    from tree
),

only_one as (
    select
        launched.period_start,
        launched.org_unit_id,
        by_function.function_id,
        recorded.last_week_start,
        greatest(
            {{ start_of('week', add_days('launched.launch_on', 6)) }},
            {{ start_of('week', add_days('recorded.recorded_from', 6)) }},
            coalesce(
                max({{ start_of('week', add_days('others.last_on', 7)) }}), date '0001-01-01'
            )
        ) as since_on
    from launched
    inner join functions
        on launched.period_start = functions.period_start and functions.functions > 1
    inner join {{ of_grain('int_recorded_weeks', grain) }} as recorded
        on launched.period_start = recorded.period_start
    inner join by_function
        on
            launched.period_start = by_function.period_start
            and launched.org_unit_id = by_function.org_unit_id
            and by_function.function_id is not null
    left join own_lines
        on
            launched.period_start = own_lines.period_start
            and launched.org_unit_id = own_lines.org_unit_id
            and by_function.function_id = own_lines.function_id
    left join by_function as others
        on
            launched.period_start = others.period_start
            and launched.org_unit_id = others.org_unit_id
            and coalesce(others.function_id, '') <> by_function.function_id
    where own_lines.function_id is null
    group by
        launched.period_start,
        launched.org_unit_id,
        launched.launch_on,
        by_function.function_id,
        recorded.recorded_from,
        recorded.last_week_start
),

-- as many actions as weeks, or there is too little to judge
delegated as (
    select
        thresholds.period_start,
        thresholds.warning_id,
        only_one.org_unit_id,
        {{ amount(
            "1 + "
            ~ whole_quotient(days_between('only_one.since_on', 'only_one.last_week_start'), "7")
        ) }} as measured,
        only_one.since_on
    from only_one
    inner join thresholds
        on
            only_one.period_start = thresholds.period_start
            and thresholds.parameter = 'weeks_with_one_function_only'
    inner join {{ of_grain('int_actions_reaching', grain) }} as reaching
        on
            only_one.period_start = reaching.period_start
            and only_one.org_unit_id = reaching.org_unit_id
            and only_one.function_id = reaching.function_id
            and reaching.week_start
            > {{ add_days('only_one.last_week_start', '-7 * thresholds.value') }}
            and reaching.week_start <= only_one.last_week_start
    where only_one.since_on <= only_one.last_week_start
    group by
        thresholds.period_start,
        thresholds.warning_id,
        thresholds.value,
        only_one.org_unit_id,
        only_one.since_on,
        only_one.last_week_start
    having count(*) >= thresholds.value
),

measured as (
    select
        too_much.period_start,
        too_much.warning_id,
        too_much.org_unit_id,
        cast(null as string) as person_id,
        live_messages.message_id,
        too_much.measured,
        -- what went on before the launch did not compete with it
        greatest(too_much.since_on, coalesce(launched.launch_on, too_much.since_on)) as since_on,
        1 as is_for_all_beneath
    from too_much
    inner join thresholds
        on
            too_much.period_start = thresholds.period_start
            and too_much.warning_id = thresholds.warning_id
    left join launched
        on
            too_much.period_start = launched.period_start
            and too_much.org_unit_id = launched.org_unit_id
            and thresholds.parameter <> 'live_messages_for_one_audience'
    left join live_messages
        on
            too_much.period_start = live_messages.period_start
            and too_much.org_unit_id = live_messages.org_unit_id
            and thresholds.parameter = 'live_messages_for_one_audience'
    union all
    select
        thresholds.period_start,
        thresholds.warning_id,
        silence.org_unit_id,
        silence.person_id,
        cast(null as string) as message_id,
        {{ amount('silence.weeks') }} as measured,
        silence.silent_since as since_on,
        0 as is_for_all_beneath
    from {{ of_grain('int_sponsor_silence', grain) }} as silence
    inner join thresholds
        on
            silence.period_start = thresholds.period_start
            and thresholds.parameter = 'weeks_without_sponsor_action'
    union all
    select
        thresholds.period_start,
        thresholds.warning_id,
        newest.org_unit_id,
        cast(null as string) as person_id,
        newest.message_id,
        {{ amount('newest.age_days') }} as measured,
        {{ add_days('newest.issued_on', 'thresholds.value + 1') }} as since_on,
        0 as is_for_all_beneath
    from newest_sentences as newest
    inner join thresholds
        on
            newest.period_start = thresholds.period_start
            and thresholds.parameter = 'core_sentence_age_in_days'
    where newest.recency = 1 and newest.audience_id = newest.org_unit_id
    union all
    select
        thresholds.period_start,
        thresholds.warning_id,
        cascades.org_unit_id,
        cast(null as string) as person_id,
        cascades.message_id,
        {{ rounded_quotient(
            whole('100 * cascades.confirmed_in_window'), whole('cascades.managers'), 4
        ) }} as measured,
        {{ add_days('cascades.issued_on', 10) }} as since_on,
        1 as is_for_all_beneath
    from cascades
    inner join thresholds
        on
            cascades.period_start = thresholds.period_start
            and thresholds.parameter = 'cascade_percent_in_10_days'
    where cascades.recency = 1
    union all
    select
        delegated.period_start,
        delegated.warning_id,
        delegated.org_unit_id,
        cast(null as string) as person_id,
        cast(null as string) as message_id,
        delegated.measured,
        delegated.since_on,
        1 as is_for_all_beneath
    from delegated
),

ranked as (
    select
        thresholds.*,
        measured.org_unit_id,
        measured.person_id,
        measured.message_id,
        measured.measured,
        measured.since_on,
        measured.is_for_all_beneath,
        row_number() over (
            partition by measured.period_start, thresholds.parameter, measured.org_unit_id
            order by
                case
                    when thresholds.comparison = 'under' then -thresholds.value
                    else thresholds.value
                end desc,
                thresholds.warning_id
        ) as severity
    from measured
    inner join thresholds
        on
            measured.period_start = thresholds.period_start
            and measured.warning_id = thresholds.warning_id
    where {{ _warns('measured.measured', 'thresholds') }}
),

-- what the whole is warned of is not repeated for each unit beneath it
said_above as (
    select distinct
        beneath.period_start,
        beneath.warning_id,
        beneath.org_unit_id
    from ranked as beneath
    inner join tree
        on
            beneath.period_start = tree.period_start
            and beneath.org_unit_id = tree.org_unit_id
            and tree.distance > 0
    inner join ranked as above
        on
            tree.period_start = above.period_start
            and tree.ancestor_id = above.org_unit_id
            and beneath.parameter = above.parameter
    where beneath.is_for_all_beneath = 1
)

select
    ranked.period_start,
    ranked.warning_id,
    ranked.pain_point,
    ranked.parameter,
    ranked.org_unit_id,
    ranked.person_id,
    ranked.message_id,
    {{ amount('ranked.measured') }} as measured,
    ranked.comparison,
    ranked.value as threshold,
    ranked.since_on,
    ranked.countermeasure,
    ranked.owner_role,
    {{ add_days('ranked.period_end', 'coalesce(ranked.action_days, rules.action_days, 0)') }}
        as due_on,
    concat(
        ranked.warning_id, '/', ranked.org_unit_id, '/', cast(ranked.since_on as string)
    ) as entry_id
from ranked
left join rules on ranked.period_start = rules.period_start
left join said_above
    on
        ranked.period_start = said_above.period_start
        and ranked.warning_id = said_above.warning_id
        and ranked.org_unit_id = said_above.org_unit_id
where ranked.severity = 1 and said_above.warning_id is null
{%- endmacro %}

{% macro _warns(measured, threshold) -%}
    (
        ({{ threshold }}.comparison = 'at_least' and {{ measured }} >= {{ threshold }}.value)
        or ({{ threshold }}.comparison = 'over' and {{ measured }} > {{ threshold }}.value)
        or ({{ threshold }}.comparison = 'under' and {{ measured }} < {{ threshold }}.value)
    )
{%- endmacro %}
