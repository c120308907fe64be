{#
    The leadership indices: of each named leader in each unit they lead, and of each unit. What a
    leader owns (commitments, decisions, reviews, plan) is the same in each of their rows; a unit
    counts what is beneath it too. Nothing recorded is 'no record', never a zero.
#}
{% macro leader_indices(grain) -%}
{%- set months = 1 if grain == 'month' else 3 -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

units as (
    select
        tree.period_start,
        tree.org_unit_id,
        tree.depth
    from tree
    where tree.distance = 0
),

leaders as (
    select distinct
        leaders.period_start,
        leaders.person_id,
        leaders.org_unit_id
    from {{ of_grain('named_leaders', grain) }} as leaders
),

log as (
    select * from {{ of_grain('decision_log', grain) }}
),

figures as (
    select * from {{ of_grain('kpi_values', grain) }}
    where employment_line = 'employee'
),

headcounts as (
    select
        units.period_start,
        units.org_unit_id,
        units.headcount
    from {{ of_grain('org_units', grain) }} as units
),

feeds as (
    select
        figures.period_start,
        max(
            case
                when
                    figures.kpi_id = 'active_learner_rate_total'
                    and figures.no_data_reason = 'no activity delivered'
                    then figures.no_data_reason
            end
        ) as activity_reason,
        max(
            case
                when
                    figures.kpi_id = 'adoption_velocity'
                    and figures.no_data_reason = 'no enrolments delivered'
                    then figures.no_data_reason
            end
        ) as enrolments_reason
    from figures
    group by figures.period_start
),

-- sponsor visibility
leader_weeks as (
    select
        weeks.period_start,
        weeks.person_id,
        weeks.org_unit_id,
        sum(weeks.in_numerator) as visible,
        sum(weeks.in_denominator) as weeks,
        sum(weeks.actions) as actions
    from {{ of_grain('fct_leader_weeks', grain) }} as weeks
    group by weeks.period_start, weeks.person_id, weeks.org_unit_id
),

-- role modelling: leaders who learn
modelling as (
    select
        population.period_start,
        tree.ancestor_id as org_unit_id,
        count(*) as leaders,
        sum(coalesce(learners.in_numerator_total, 0)) as active,
        sum(case when completions.person_id is null then 0 else 1 end) as completed
    from {{ of_grain('int_population', grain) }} as population
    inner join tree
        on
            population.period_start = tree.period_start
            and population.org_unit_id = tree.org_unit_id
    left join {{ of_grain('fct_active_learners', grain) }} as learners
        on
            population.period_start = learners.period_start
            and population.person_id = learners.person_id
    left join {{ of_grain('int_flagship_completions', grain) }} as completions
        on
            population.period_start = completions.period_start
            and population.person_id = completions.person_id
    where
        population.is_eligible
        and population.employment_line = 'employee'
        and population.leader_level in ('elt', 'senior', 'manager')
    group by population.period_start, tree.ancestor_id
),

-- role modelling: the unit's velocity around its sponsor's own completion
completed_by_sponsor as (
    select
        holders.period_start,
        holders.org_unit_id,
        {{ start_of(grain, 'min(completions.first_completed_on)') }} as completed_in
    from {{ of_grain('int_role_holders', grain) }} as holders
    left join {{ of_grain('int_flagship_completions', grain) }} as completions
        on
            holders.period_start = completions.period_start
            and holders.person_id = completions.person_id
    where holders.role = 'sponsor'
    group by holders.period_start, holders.org_unit_id
),

velocities as (
    select
        figures.period_start,
        figures.org_unit_id,
        figures.numerator,
        figures.denominator
    from figures
    where figures.kpi_id = 'adoption_velocity' and figures.value is not null
    union all
    select
        history.period_start,
        history.org_unit_id,
        history.numerator,
        history.denominator
    from {{ of_grain('stg_published__kpi_values', grain) }} as history
    left join periods on history.period_start = periods.period_start
    where
        periods.period_start is null
        and history.kpi_id = 'adoption_velocity'
        and history.employment_line = 'employee'
        and history.value is not null
),

around as (
    select
        completed.period_start,
        completed.org_unit_id,
        completed.completed_in,
        sum(case when velocities.period_start < completed.completed_in then 1 else 0 end)
            as periods_before,
        sum(
            case when velocities.period_start < completed.completed_in then velocities.numerator end
        ) as completions_before,
        sum(
            case
                when velocities.period_start < completed.completed_in then velocities.denominator
            end
        ) as people_before,
        sum(case when velocities.period_start > completed.completed_in then 1 else 0 end)
            as periods_after,
        sum(
            case when velocities.period_start > completed.completed_in then velocities.numerator end
        ) as completions_after,
        sum(
            case
                when velocities.period_start > completed.completed_in then velocities.denominator
            end
        ) as people_after
    from completed_by_sponsor as completed
    left join velocities
        on
            completed.org_unit_id = velocities.org_unit_id
            and velocities.period_start <= completed.period_start
            and velocities.period_start <> completed.completed_in
            and velocities.period_start
            between {{ add_months('completed.completed_in', -2 * months) }}
            and {{ add_months('completed.completed_in', 2 * months) }}
    group by completed.period_start, completed.org_unit_id, completed.completed_in
),

-- metrics accountability: commitments
leader_commitments as (
    select
        commitments.period_start,
        commitments.owner_person_id as person_id,
        sum(commitments.in_numerator) as on_time,
        count(*) as due
    from {{ of_grain('fct_commitments', grain) }} as commitments
    where commitments.in_denominator = 1
    group by commitments.period_start, commitments.owner_person_id
),

unit_commitments as (
    select
        commitments.period_start,
        tree.ancestor_id as org_unit_id,
        sum(commitments.in_numerator) as on_time,
        count(*) as due
    from {{ of_grain('fct_commitments', grain) }} as commitments
    inner join tree
        on
            commitments.period_start = tree.period_start
            and commitments.org_unit_id = tree.org_unit_id
    where commitments.in_denominator = 1
    group by commitments.period_start, tree.ancestor_id
),

-- metrics accountability: how long decisions taken in the period, or still open, have waited
waits as (
    select
        log.period_start,
        'leader' as subject,
        log.owner_person_id as subject_id,
        log.entry_id,
        log.waiting_days
    from log
    inner join periods on log.period_start = periods.period_start
    where
        log.kind = 'decision'
        and log.waiting_days is not null
        and log.owner_person_id is not null
        and (log.status in ('open', 'overdue') or log.decided_on >= periods.period_start)
        and log.status <> 'withdrawn'
    union all
    select
        log.period_start,
        'unit' as subject,
        tree.ancestor_id as subject_id,
        log.entry_id,
        log.waiting_days
    from log
    inner join periods on log.period_start = periods.period_start
    inner join tree
        on
            log.period_start = tree.period_start
            and log.counts_in_org_unit_id = tree.org_unit_id
    where
        log.kind = 'decision'
        and log.waiting_days is not null
        and (log.status in ('open', 'overdue') or log.decided_on >= periods.period_start)
        and log.status <> 'withdrawn'
),

-- the decision about the unit, or about one beneath it, that has waited longest and still waits
open_waits as (
    select
        log.period_start,
        tree.ancestor_id as org_unit_id,
        log.entry_id,
        log.owner_person_id,
        log.waiting_days,
        count(*) over (partition by log.period_start, tree.ancestor_id) as decisions,
        row_number() over (
            partition by log.period_start, tree.ancestor_id
            order by log.waiting_days desc, log.entry_id asc
        ) as place
    from log
    inner join tree
        on
            log.period_start = tree.period_start
            and log.counts_in_org_unit_id = tree.org_unit_id
    where
        log.kind = 'decision'
        and log.waiting_days is not null
        and log.status in ('open', 'overdue')
),

placed_waits as (
    select
        waits.*,
        row_number() over (
            partition by waits.period_start, waits.subject, waits.subject_id
            order by waits.waiting_days, waits.entry_id
        ) as place,
        count(*) over (
            partition by waits.period_start, waits.subject, waits.subject_id
        ) as decisions
    from waits
),

-- the middle one, or the two in the middle
median_waits as (
    select
        waits.period_start,
        waits.subject,
        waits.subject_id,
        max(waits.decisions) as decisions,
        sum(waits.waiting_days) as days,
        min(case when 2 * waits.place >= waits.decisions then waits.waiting_days end)
            as lower_middle,
        min(case when 2 * waits.place > waits.decisions then waits.waiting_days end)
            as upper_middle
    from placed_waits as waits
    group by waits.period_start, waits.subject, waits.subject_id
),

reviews as (
    select
        actions.period_start,
        actions.person_id,
        actions.org_unit_id,
        count(*) as attended
    from {{ of_grain('leader_actions', grain) }} as actions
    inner join periods on actions.period_start = periods.period_start
    where
        actions.kind = 'review_attended'
        and actions.happened_on >= {{ add_days(monday_after('periods.period_end'), -91) }}
        and actions.happened_on < {{ monday_after('periods.period_end') }}
    group by actions.period_start, actions.person_id, actions.org_unit_id
),

-- the newest message of those that reach the unit in the period, one live at its end first
newest_messages as (
    select
        cascade.*,
        max(cascade.confirmed) over (
            partition by cascade.period_start, cascade.message_id
        ) as confirmed_anywhere,
        row_number() over (
            partition by cascade.period_start, cascade.org_unit_id
            order by cascade.is_live desc, cascade.issued_on desc, cascade.message_id asc
        ) as place
    from {{ of_grain('message_cascade', grain) }} as cascade
    where cascade.expires_on >= cascade.period_start
),

plan as (
    select
        plan.*,
        case when plan.due_on <= periods.period_end then 1 else 0 end as is_due,
        case when plan.due_on <= periods.period_end and plan.status = 'done' then 1 else 0 end
            as is_done
    from {{ of_grain('leader_plan', grain) }} as plan
    inner join periods on plan.period_start = periods.period_start
),

-- an action of several people is on each one's line
leader_items as (
    select
        plan.period_start,
        plan.owner_person_id as person_id,
        plan.org_unit_id,
        plan.plan_day,
        plan.action,
        plan.is_due,
        plan.is_done
    from plan
    where plan.owner_person_id is not null
    union
    select
        plan.period_start,
        holders.person_id,
        plan.org_unit_id,
        plan.plan_day,
        plan.action,
        plan.is_due,
        plan.is_done
    from plan
    inner join {{ of_grain('int_role_holders', grain) }} as holders
        on
            plan.period_start = holders.period_start
            and plan.org_unit_id = holders.org_unit_id
            and concat('|', plan.owner_role, '|') like concat('%|', holders.role, '|%')
    where plan.owner_person_id is null
),

leader_plans as (
    select
        leader_items.period_start,
        leader_items.person_id,
        sum(leader_items.is_done) as done,
        sum(leader_items.is_due) as due
    from leader_items
    group by leader_items.period_start, leader_items.person_id
),

plan_sums as (
    select
        plan.period_start,
        plan.org_unit_id,
        sum(plan.is_done) as done,
        sum(plan.is_due) as due
    from plan
    group by plan.period_start, plan.org_unit_id
),

-- a unit without a plan of its own follows that of the nearest unit above it
unit_plans as (
    select
        tree.period_start,
        tree.org_unit_id,
        plan_sums.done,
        plan_sums.due,
        row_number() over (
            partition by tree.period_start, tree.org_unit_id order by tree.distance
        ) as nearness
    from tree
    inner join plan_sums
        on tree.period_start = plan_sums.period_start and tree.ancestor_id = plan_sums.org_unit_id
),

-- above and below are whole numbers; the value is their quotient
indices as (
    select
        leaders.period_start,
        'leader' as subject,
        leaders.person_id,
        leaders.org_unit_id,
        'visible_weeks' as index_id,
        {{ amount('coalesce(leader_weeks.visible, 0)') }} as numerator,
        {{ amount('coalesce(leader_weeks.weeks, 0)') }} as denominator,
        {{ ten_thousandths('coalesce(leader_weeks.visible, 0)') }} as above,
        {{ whole('10000') }} as below,
        cast(null as bigint) as people,
        0 as places,
        case
            when leader_weeks.person_id is null then 'not yet a week in the role'
            when leader_weeks.weeks = 0 then 'on leave throughout'
            when leader_weeks.actions = 0 then 'no record'
        end as reason,
        cast(null as string) as detail
    from leaders
    left join leader_weeks
        on
            leaders.period_start = leader_weeks.period_start
            and leaders.person_id = leader_weeks.person_id
            and leaders.org_unit_id = leader_weeks.org_unit_id
    union all
    -- the same figure as the KPI
    select
        figures.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        figures.org_unit_id,
        'visible_weeks' as index_id,
        figures.numerator,
        figures.denominator,
        {{ ten_thousandths('figures.numerator') }} as above,
        {{ whole('10000') }} as below,
        figures.people,
        0 as places,
        figures.no_data_reason as reason,
        cast(null as string) as detail
    from figures
    where figures.kpi_id = 'sponsor_visible_weeks'
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        kinds.index_id,
        {{ amount("""case kinds.index_id
            when 'leaders_active' then modelling.active
            else modelling.completed
        end""") }} as numerator,
        {{ amount('modelling.leaders') }} as denominator,
        {{ ten_thousandths("""100 * case kinds.index_id
            when 'leaders_active' then modelling.active
            else modelling.completed
        end""") }} as above,
        {{ ten_thousandths('modelling.leaders') }} as below,
        coalesce(modelling.leaders, 0) as people,
        0 as places,
        case
            when kinds.index_id = 'leaders_active' and feeds.activity_reason is not null
                then feeds.activity_reason
            when kinds.index_id = 'leaders_flagship' and feeds.enrolments_reason is not null
                then feeds.enrolments_reason
            when modelling.leaders is null then 'no leaders named'
        end as reason,
        cast(null as string) as detail
    from units
    cross join (
        select 'leaders_active' as index_id
        union all
        select 'leaders_flagship' as index_id
    ) as kinds
    left join feeds on units.period_start = feeds.period_start
    left join modelling
        on
            units.period_start = modelling.period_start
            and units.org_unit_id = modelling.org_unit_id
    union all
    select
        leaders.period_start,
        'leader' as subject,
        leaders.person_id,
        leaders.org_unit_id,
        'leaders_flagship' as index_id,
        {{ amount('case when completions.person_id is null then 0 else 1 end') }} as numerator,
        {{ amount('1') }} as denominator,
        {{ ten_thousandths('case when completions.person_id is null then 0 else 100 end') }}
            as above,
        {{ whole('10000') }} as below,
        cast(null as bigint) as people,
        0 as places,
        feeds.enrolments_reason as reason,
        cast(null as string) as detail
    from leaders
    left join feeds on leaders.period_start = feeds.period_start
    left join {{ of_grain('int_flagship_completions', grain) }} as completions
        on
            leaders.period_start = completions.period_start
            and leaders.person_id = completions.person_id
    union all
    select
        leaders.period_start,
        'leader' as subject,
        leaders.person_id,
        leaders.org_unit_id,
        'commitments_on_time' as index_id,
        {{ amount('commitments.on_time') }} as numerator,
        {{ amount('commitments.due') }} as denominator,
        {{ ten_thousandths('100 * commitments.on_time') }} as above,
        {{ ten_thousandths('commitments.due') }} as below,
        cast(null as bigint) as people,
        0 as places,
        case when commitments.due is null then 'no record' end as reason,
        cast(null as string) as detail
    from leaders
    left join leader_commitments as commitments
        on
            leaders.period_start = commitments.period_start
            and leaders.person_id = commitments.person_id
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        'commitments_on_time' as index_id,
        {{ amount('commitments.on_time') }} as numerator,
        {{ amount('commitments.due') }} as denominator,
        {{ ten_thousandths('100 * commitments.on_time') }} as above,
        {{ ten_thousandths('commitments.due') }} as below,
        headcounts.headcount as people,
        0 as places,
        case when commitments.due is null then 'no record' end as reason,
        cast(null as string) as detail
    from units
    left join headcounts
        on
            units.period_start = headcounts.period_start
            and units.org_unit_id = headcounts.org_unit_id
    left join unit_commitments as commitments
        on
            units.period_start = commitments.period_start
            and units.org_unit_id = commitments.org_unit_id
    union all
    select
        leaders.period_start,
        'leader' as subject,
        leaders.person_id,
        leaders.org_unit_id,
        'decision_wait_days' as index_id,
        {{ amount('waits.days') }} as numerator,
        {{ amount('waits.decisions') }} as denominator,
        {{ ten_thousandths('waits.lower_middle + waits.upper_middle') }} as above,
        {{ whole('20000') }} as below,
        cast(null as bigint) as people,
        1 as places,
        case when waits.decisions is null then 'no record' end as reason,
        cast(null as string) as detail
    from leaders
    left join median_waits as waits
        on
            leaders.period_start = waits.period_start
            and waits.subject = 'leader'
            and leaders.person_id = waits.subject_id
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        'decision_wait_days' as index_id,
        {{ amount('waits.days') }} as numerator,
        {{ amount('waits.decisions') }} as denominator,
        {{ ten_thousandths('waits.lower_middle + waits.upper_middle') }} as above,
        {{ whole('20000') }} as below,
        headcounts.headcount as people,
        1 as places,
        case when waits.decisions is null then 'no record' end as reason,
        cast(null as string) as detail
    from units
    left join headcounts
        on
            units.period_start = headcounts.period_start
            and units.org_unit_id = headcounts.org_unit_id
    left join median_waits as waits
        on
            units.period_start = waits.period_start
            and waits.subject = 'unit'
            and units.org_unit_id = waits.subject_id
    union all
    select
        units.period_start,
        'unit' as subject,
        waits.owner_person_id as person_id,
        units.org_unit_id,
        'longest_open_wait_days' as index_id,
        {{ amount('waits.waiting_days') }} as numerator,
        {{ amount('waits.decisions') }} as denominator,
        {{ ten_thousandths('waits.waiting_days') }} as above,
        {{ whole('10000') }} as below,
        headcounts.headcount as people,
        0 as places,
        case when waits.decisions is null then 'nothing waits' end as reason,
        waits.entry_id as detail
    from units
    left join headcounts
        on
            units.period_start = headcounts.period_start
            and units.org_unit_id = headcounts.org_unit_id
    left join open_waits as waits
        on
            units.period_start = waits.period_start
            and units.org_unit_id = waits.org_unit_id
            and waits.place = 1
    union all
    select
        leaders.period_start,
        'leader' as subject,
        leaders.person_id,
        leaders.org_unit_id,
        'reviews_attended' as index_id,
        {{ amount('reviews.attended') }} as numerator,
        {{ amount('null') }} as denominator,
        {{ ten_thousandths('reviews.attended') }} as above,
        {{ whole('10000') }} as below,
        cast(null as bigint) as people,
        0 as places,
        case when reviews.attended is null then 'no record' end as reason,
        cast(null as string) as detail
    from leaders
    left join reviews
        on
            leaders.period_start = reviews.period_start
            and leaders.person_id = reviews.person_id
            and leaders.org_unit_id = reviews.org_unit_id
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        'velocity_before' as index_id,
        {{ amount('around.completions_before') }} as numerator,
        {{ amount('around.people_before') }} as denominator,
        {{ ten_thousandths('100 * around.completions_before') }} as above,
        {{ ten_thousandths('around.people_before') }} as below,
        cast(around.people_before as bigint) as people,
        1 as places,
        case
            when around.org_unit_id is null then 'no sponsor named'
            when around.completed_in is null then 'no completion of the sponsor recorded'
            when around.periods_before < 2 then 'no figures of the two {{ grain }}s before'
        end as reason,
        cast(null as string) as detail
    from units
    left join around
        on
            units.period_start = around.period_start
            and units.org_unit_id = around.org_unit_id
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        'velocity_after' as index_id,
        {{ amount('around.completions_after') }} as numerator,
        {{ amount('around.people_after') }} as denominator,
        {{ ten_thousandths('100 * around.completions_after') }} as above,
        {{ ten_thousandths('around.people_after') }} as below,
        cast(around.people_after as bigint) as people,
        1 as places,
        case
            when around.org_unit_id is null then 'no sponsor named'
            when around.completed_in is null then 'no completion of the sponsor recorded'
            when
                {{ add_months('around.completed_in', 2 * months) }} > around.period_start
                then 'the two {{ grain }}s after are not over'
            when around.periods_after < 2 then 'no figures of the two {{ grain }}s after'
        end as reason,
        cast(null as string) as detail
    from units
    left join around
        on
            units.period_start = around.period_start
            and units.org_unit_id = around.org_unit_id
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        'cascade_reach' as index_id,
        {{ amount('messages.confirmed') }} as numerator,
        {{ amount('messages.managers') }} as denominator,
        {{ ten_thousandths('100 * messages.confirmed') }} as above,
        {{ ten_thousandths('messages.managers') }} as below,
        coalesce(messages.managers, 0) as people,
        0 as places,
        case
            when messages.message_id is null then 'no message in this period'
            when messages.managers = 0 then 'no managers'
            when messages.confirmed_anywhere = 0 then 'no record'
        end as reason,
        messages.message_id as detail
    from units
    left join newest_messages as messages
        on
            units.period_start = messages.period_start
            and units.org_unit_id = messages.org_unit_id
            and messages.place = 1
    union all
    select
        units.period_start,
        'unit' as subject,
        cast(null as string) as person_id,
        units.org_unit_id,
        'plan_on_track' as index_id,
        {{ amount('unit_plans.done') }} as numerator,
        {{ amount('unit_plans.due') }} as denominator,
        {{ ten_thousandths('100 * unit_plans.done') }} as above,
        {{ ten_thousandths('unit_plans.due') }} as below,
        headcounts.headcount as people,
        0 as places,
        case
            when unit_plans.due is null then 'no plan runs'
            when unit_plans.due = 0 then 'nothing due'
        end as reason,
        cast(null as string) as detail
    from units
    left join headcounts
        on
            units.period_start = headcounts.period_start
            and units.org_unit_id = headcounts.org_unit_id
    left join unit_plans
        on
            units.period_start = unit_plans.period_start
            and units.org_unit_id = unit_plans.org_unit_id
            and unit_plans.nearness = 1
    union all
    select
        leaders.period_start,
        'leader' as subject,
        leaders.person_id,
        leaders.org_unit_id,
        'plan_on_track' as index_id,
        {{ amount('leader_plans.done') }} as numerator,
        {{ amount('leader_plans.due') }} as denominator,
        {{ ten_thousandths('100 * leader_plans.done') }} as above,
        {{ ten_thousandths('leader_plans.due') }} as below,
        cast(null as bigint) as people,
        0 as places,
        case
            when leader_plans.due is null then 'no action of the plan'
            when leader_plans.due = 0 then 'nothing due'
        end as reason,
        cast(null as string) as detail
    from leaders
    left join leader_plans
        on
            leaders.period_start = leader_plans.period_start
            and leaders.person_id = leader_plans.person_id
),

-- a divisor of 1 stands in where there is none; the reason then hides the result
safe as (
    select
        indices.*,
        case when indices.below > 0 then indices.below else {{ whole('1') }} end as safe_below
    from indices
)

select
    safe.period_start,
    safe.subject,
    safe.person_id,
    safe.org_unit_id,
    safe.index_id,
    safe.numerator,
    safe.denominator,
    case
        when safe.reason is null
            then {{ rounded_quotient('safe.above', 'safe.safe_below', 'safe.places') }}
    end as value,
    cast(safe.people as bigint) as people,
    safe.reason as no_data_reason,
    safe.detail
from safe
{%- endmacro %}
