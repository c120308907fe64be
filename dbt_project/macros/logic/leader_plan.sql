{#
    The 90-day plan of every unit whose programme runs: each action with its owner, whether it is
    done by the period's end, and the row that proves it.

    Each kind of evidence gives rows (proofs); an action is done with the row that makes their
    number what the plan asks for. Who acted counts by the role held on that day. A condition, such
    as "no blocker is old", is met only from its day on. What held before the launch, such as a role
    or a date, is dated on the launch.

    A decision proves an action when it was taken since the launch (where the plan lists
    first_review_on, since that day: none without it), was not refused or withdrawn, and is about
    the plan's unit, one beneath it, or a unit above whose programme was launched on the same day.
    The sponsor completes the flagship course publicly by a first completion since the launch or,
    whoever had completed it before, by saying so in public.
#}
{% macro leader_plan(grain) -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

rules as (
    select
        periods.period_start,
        max_by(rules.value, rules.valid_from) as due_within_days
    from periods
    inner join {{ ref('review_rules') }} as rules
        on rules.rule = 'plan_due_within_days' and rules.valid_from <= periods.period_end
    group by periods.period_start
),

horizon as (
    select max(plan.day) as last_day
    from {{ ref('engagement_plan') }} as plan
),

stated as (
    select
        periods.period_start,
        periods.period_id,
        periods.period_end,
        units.org_unit_id,
        units.depth,
        programme.launch_on,
        programme.town_hall_on,
        programme.first_review_on,
        programme.valid_from,
        -- the whole's own row goes before that for all
        row_number() over (
            partition by periods.period_start, units.org_unit_id
            order by
                case when programme.org_unit_id = '*' then 1 else 0 end,
                programme.valid_from desc
        ) as recency
    from periods
    inner join {{ ref('programme') }} as programme
        on programme.valid_from <= periods.period_end
    inner join tree as units
        on
            periods.period_start = units.period_start
            and units.distance = 0
            and (
                programme.org_unit_id = units.org_unit_id
                or (programme.org_unit_id = '*' and units.depth = 0)
            )
),

-- a plan is followed to the end of the period in which its last day lies
programmes as (
    select stated.*
    from stated
    cross join horizon
    where
        stated.recency = 1
        and stated.launch_on <= stated.period_end
        and {{ add_days('stated.launch_on', 'horizon.last_day') }} >= stated.period_start
),

items as (
    select
        programmes.*,
        plan.day as plan_day,
        plan.phase,
        plan.action,
        plan.owner_role,
        concat('|', plan.owner_role, '|') as owner_roles,
        plan.evidence_kind,
        plan.evidence,
        concat('|', plan.evidence, '|') as evidences,
        cast(length(plan.evidence) - length(replace(plan.evidence, '|', '')) + 1 as bigint)
            as evidences_listed,
        plan.target,
        {{ add_days('programmes.launch_on', 'plan.day') }} as due_on
    from programmes
    cross join {{ ref('engagement_plan') }} as plan
),

-- units above a plan's unit, itself, and those beneath it
line as (
    select
        programmes.period_start,
        programmes.org_unit_id,
        tree.ancestor_id as related_id,
        1 as is_above,
        case when tree.distance = 0 then 1 else 0 end as is_beneath
    from programmes
    inner join tree
        on
            programmes.period_start = tree.period_start
            and programmes.org_unit_id = tree.org_unit_id
    union all
    select
        programmes.period_start,
        programmes.org_unit_id,
        tree.org_unit_id as related_id,
        0 as is_above,
        1 as is_beneath
    from programmes
    inner join tree
        on
            programmes.period_start = tree.period_start
            and programmes.org_unit_id = tree.ancestor_id
    where tree.distance > 0
),

holders as (
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        holders.role,
        holders.held_for_org_unit_id,
        instr(items.owner_roles, concat('|', holders.role, '|')) as place,
        -- the deputy acts for a holder who left
        case
            when not holders.is_active and holders.deputy_is_active then holders.deputy_person_id
            else holders.person_id
        end as person_id
    from items
    inner join {{ of_grain('int_role_holders', grain) }} as holders
        on
            items.period_start = holders.period_start
            and items.org_unit_id = holders.org_unit_id
            and items.owner_roles like concat('%|', holders.role, '|%')
),

first_roles as (
    select
        holders.period_start,
        holders.org_unit_id,
        holders.plan_day,
        holders.action,
        min(holders.place) as place
    from holders
    group by holders.period_start, holders.org_unit_id, holders.plan_day, holders.action
),

-- an action of several people has no one owner
owners as (
    select
        holders.period_start,
        holders.org_unit_id,
        holders.plan_day,
        holders.action,
        max(holders.person_id) as person_id
    from holders
    inner join first_roles
        on
            holders.period_start = first_roles.period_start
            and holders.org_unit_id = first_roles.org_unit_id
            and holders.plan_day = first_roles.plan_day
            and holders.action = first_roles.action
            and holders.place = first_roles.place
    group by holders.period_start, holders.org_unit_id, holders.plan_day, holders.action
    having count(distinct holders.person_id) = 1
),

-- units that a decision may be about: a launch together has one review
decided_for as (
    select
        line.period_start,
        line.org_unit_id,
        line.related_id
    from line
    inner join programmes
        on line.period_start = programmes.period_start and line.org_unit_id = programmes.org_unit_id
    left join programmes as others
        on line.period_start = others.period_start and line.related_id = others.org_unit_id
    where line.is_beneath = 1 or programmes.launch_on = others.launch_on
),

-- whose actions count, and in which days: owners, those before them in the role, and for the heads
-- of units also those beneath
doers as (
    select
        holders.period_start,
        holders.org_unit_id,
        holders.plan_day,
        holders.action,
        holders.person_id,
        periods.period_end as acts_until,
        cast(null as date) as acts_from
    from holders
    inner join periods on holders.period_start = periods.period_start
    union all
    select
        holders.period_start,
        holders.org_unit_id,
        holders.plan_day,
        holders.action,
        spans.person_id,
        {{ add_days('spans.held_until', -1) }} as acts_until,
        spans.held_from as acts_from
    from holders
    inner join {{ of_grain('int_role_spans', grain) }} as spans
        on
            holders.period_start = spans.period_start
            and holders.held_for_org_unit_id = spans.org_unit_id
            and (
                holders.role = spans.role
                or (holders.role = 'sponsor' and spans.role = 'executive_sponsor')
            )
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        spans.person_id,
        {{ add_days('spans.held_until', -1) }} as acts_until,
        spans.held_from as acts_from
    from items
    inner join line
        on
            items.period_start = line.period_start
            and items.org_unit_id = line.org_unit_id
            and line.is_beneath = 1
    inner join {{ of_grain('int_role_spans', grain) }} as spans
        on
            items.period_start = spans.period_start
            and line.related_id = spans.org_unit_id
            and spans.role = 'unit_head'
    where items.owner_roles like '%|unit_head|%'
),

kinds as (
    select distinct actions.kind
    from {{ ref('stg_lake__leader_actions') }} as actions
),

item_kinds as (
    select
        items.*,
        kinds.kind
    from items
    inner join kinds on items.evidences like concat('%|', kinds.kind, '|%')
    where items.evidence_kind in ('leader_action', 'feedback')
    union all
    select
        items.*,
        'public_completion' as kind
    from items
    where items.evidence_kind = 'completion' and items.evidences like '%|sponsor|%'
),

-- a survey is the unit's, whoever runs it
acted as (
    select distinct
        item_kinds.period_start,
        item_kinds.org_unit_id,
        item_kinds.plan_day,
        item_kinds.action,
        actions.action_id,
        actions.kind,
        actions.happened_on
    from item_kinds
    inner join {{ ref('stg_lake__leader_actions') }} as actions
        on
            item_kinds.kind = actions.kind
            and actions.happened_on between item_kinds.launch_on and item_kinds.period_end
    left join doers
        on
            item_kinds.period_start = doers.period_start
            and item_kinds.org_unit_id = doers.org_unit_id
            and item_kinds.plan_day = doers.plan_day
            and item_kinds.action = doers.action
            and actions.person_id = doers.person_id
            and actions.happened_on >= coalesce(doers.acts_from, item_kinds.launch_on)
            and actions.happened_on <= doers.acts_until
    left join line
        on
            item_kinds.period_start = line.period_start
            and item_kinds.org_unit_id = line.org_unit_id
            and actions.audience_org_unit_id = line.related_id
    where
        (
            doers.person_id is not null
            or item_kinds.evidence_kind = 'feedback'
        )
        and (
            actions.audience_org_unit_id is null
            or actions.audience_org_unit_id = '*'
            or line.related_id is not null
        )
),

-- reviews of one day are one review
acted_once as (
    select
        acted.*,
        row_number() over (
            partition by
                acted.period_start,
                acted.org_unit_id,
                acted.plan_day,
                acted.action,
                acted.kind,
                case when acted.kind = 'review_attended' then acted.happened_on end,
                case when acted.kind <> 'review_attended' then acted.action_id end
            order by acted.action_id
        ) as place
    from acted
),

managers as (
    select
        programmes.period_start,
        programmes.period_end,
        programmes.org_unit_id,
        programmes.launch_on,
        managers.person_id
    from programmes
    inner join tree
        on
            programmes.period_start = tree.period_start
            and programmes.org_unit_id = tree.ancestor_id
    inner join {{ of_grain('int_managers', grain) }} as managers
        on
            tree.period_start = managers.period_start
            and tree.org_unit_id = managers.org_unit_id
            and managers.is_counted
),

cascades as (
    select
        managers.period_start,
        managers.org_unit_id,
        managers.person_id,
        actions.kind,
        actions.action_id,
        actions.happened_on,
        row_number() over (
            partition by
                managers.period_start, managers.org_unit_id, managers.person_id, actions.kind
            order by actions.happened_on, actions.action_id
        ) as place
    from managers
    inner join {{ ref('stg_lake__leader_actions') }} as actions
        on
            managers.person_id = actions.person_id
            and actions.happened_on between managers.launch_on and managers.period_end
    inner join {{ ref('engagement_plan') }} as plan
        on
            plan.evidence_kind = 'confirmation'
            and concat('|', plan.evidence, '|') like concat('%|', actions.kind, '|%')
),

elt as (
    select
        population.period_start,
        population.person_id,
        completions.enrolment_id,
        completions.first_completed_on
    from {{ of_grain('int_population', grain) }} as population
    left join {{ of_grain('int_flagship_completions', grain) }} as completions
        on
            population.period_start = completions.period_start
            and population.person_id = completions.person_id
    where
        population.is_eligible
        and population.leader_level = 'elt'
        and population.employment_line = 'employee'
),

sponsors as (
    select
        holders.period_start,
        holders.org_unit_id,
        holders.person_id
    from {{ of_grain('int_role_holders', grain) }} as holders
    where holders.role = 'sponsor'
),

-- roles named for the unit itself, with a deputy who is there
filled as (
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        case when roles.role = 'executive_sponsor' then 'sponsor' else roles.role end as role,
        min(roles.valid_from) as valid_from
    from items
    inner join {{ ref('governance_roles') }} as roles
        on
            (
                items.org_unit_id = roles.org_unit_id
                or (items.depth = 0 and roles.org_unit_id = '*')
            )
            and {{ holds_on('roles', 'items.period_end') }}
            and (
                items.evidences like concat('%|', roles.role, '|%')
                or (
                    items.depth = 0
                    and roles.role = 'executive_sponsor'
                    and items.evidences like '%|sponsor|%'
                )
            )
    inner join {{ of_grain('governance', grain) }} as governance
        on
            items.period_start = governance.period_start
            and items.org_unit_id = governance.org_unit_id
            and roles.role = governance.role
            and roles.person_id = governance.person_id
            and roles.deputy_person_id = governance.deputy_person_id
            and governance.deputy_is_active
    where items.evidence_kind = 'governance_roles'
    group by
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        case when roles.role = 'executive_sponsor' then 'sponsor' else roles.role end
),

-- the longest that something open waits, and what it is
oldest as (
    select
        programmes.period_start,
        programmes.org_unit_id,
        max({{ days_between('log.asked_on', 'programmes.period_end') }}) as age_days
    from programmes
    inner join line
        on
            programmes.period_start = line.period_start
            and programmes.org_unit_id = line.org_unit_id
            and line.is_beneath = 1
    inner join {{ of_grain('decision_log', grain) }} as log
        on
            line.period_start = log.period_start
            and line.related_id = log.counts_in_org_unit_id
            and log.kind = 'action'
            and log.status in ('open', 'overdue')
    group by programmes.period_start, programmes.org_unit_id
),

proofs as (
    select
        filled.period_start,
        filled.org_unit_id,
        filled.plan_day,
        filled.action,
        filled.role as proof_id,
        filled.valid_from as proof_on
    from filled
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        dates.name as proof_id,
        items.valid_from as proof_on
    from items
    cross join (
        select 'town_hall_on' as name
        union all
        select 'first_review_on' as name
    ) as dates
    where
        items.evidence_kind = 'calendar'
        and items.evidences like concat('%|', dates.name, '|%')
        and case dates.name
            when 'town_hall_on' then items.town_hall_on
            else items.first_review_on
        end is not null
    union all
    select
        acted_once.period_start,
        acted_once.org_unit_id,
        acted_once.plan_day,
        acted_once.action,
        acted_once.action_id as proof_id,
        acted_once.happened_on as proof_on
    from acted_once
    where acted_once.place = 1
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        cascades.action_id as proof_id,
        cascades.happened_on as proof_on
    from items
    inner join cascades
        on
            items.period_start = cascades.period_start
            and items.org_unit_id = cascades.org_unit_id
            and items.evidences like concat('%|', cascades.kind, '|%')
            and cascades.place = 1
    where items.evidence_kind = 'confirmation'
    union all
    -- a decision that was refused, or that nobody had the right to take, proves nothing
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        log.entry_id as proof_id,
        log.decided_on as proof_on
    from items
    inner join decided_for
        on
            items.period_start = decided_for.period_start
            and items.org_unit_id = decided_for.org_unit_id
    inner join {{ of_grain('decision_log', grain) }} as log
        on
            decided_for.period_start = log.period_start
            and decided_for.related_id = log.counts_in_org_unit_id
            and log.kind = 'decision'
            and log.decided_on >= items.launch_on
            and (
                items.evidences not like '%|first_review_on|%'
                or log.decided_on >= items.first_review_on
            )
            and log.status <> 'withdrawn'
            and not {{ is_refusal('log.outcome') }}
            and coalesce(log.fault, 'unknown_owner') = 'unknown_owner'
            and items.evidences like concat('%|', log.right_id, '|%')
    where items.evidence_kind = 'decision_log'
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        cast(null as string) as proof_id,
        items.period_end as proof_on
    from items
    left join oldest
        on items.period_start = oldest.period_start and items.org_unit_id = oldest.org_unit_id
    where
        items.evidence_kind = 'decision_log'
        and items.evidence = 'oldest_open_action'
        and items.due_on <= items.period_end
        and coalesce(oldest.age_days, 0) <= items.target
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        completions.enrolment_id as proof_id,
        completions.first_completed_on as proof_on
    from items
    inner join sponsors
        on items.period_start = sponsors.period_start and items.org_unit_id = sponsors.org_unit_id
    inner join {{ of_grain('int_flagship_completions', grain) }} as completions
        on
            sponsors.period_start = completions.period_start
            and sponsors.person_id = completions.person_id
            and completions.first_completed_on >= items.launch_on
    where items.evidence_kind = 'completion' and items.evidences like '%|sponsor|%'
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        elt.enrolment_id as proof_id,
        elt.first_completed_on as proof_on
    from items
    inner join elt on items.period_start = elt.period_start
    where
        items.evidence_kind = 'completion'
        and items.evidences like '%|elt|%'
        and elt.first_completed_on is not null
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        targets.kpi_id as proof_id,
        targets.valid_from as proof_on
    from items
    inner join sponsors
        on items.period_start = sponsors.period_start and items.org_unit_id = sponsors.org_unit_id
    inner join {{ ref('leader_targets') }} as targets
        on
            sponsors.person_id = targets.person_id
            and {{ holds_on('targets', 'items.period_end') }}
    where items.evidence_kind = 'leader_targets'
    union all
    select
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        messages.message_id as proof_id,
        messages.issued_on as proof_on
    from items
    inner join {{ ref('messages') }} as messages
        on messages.issued_on between items.launch_on and items.period_end
    left join line
        on
            items.period_start = line.period_start
            and items.org_unit_id = line.org_unit_id
            and messages.audience_org_unit_id = line.related_id
            and line.is_above = 1
    where
        items.evidence_kind = 'message'
        and (messages.audience_org_unit_id = '*' or line.related_id is not null)
    union all
    select distinct
        items.period_start,
        items.org_unit_id,
        items.plan_day,
        items.action,
        items.period_id as proof_id,
        items.due_on as proof_on
    from items
    inner join {{ of_grain('kpi_values', grain) }} as figures
        on
            items.period_start = figures.period_start
            and items.org_unit_id = figures.org_unit_id
            and figures.value is not null
    where items.evidence_kind = 'figures' and items.due_on <= items.period_end
),

numbered as (
    select
        proofs.*,
        row_number() over (
            partition by
                proofs.period_start, proofs.org_unit_id, proofs.plan_day, proofs.action
            order by proofs.proof_on, proofs.proof_id
        ) as place,
        count(*) over (
            partition by
                proofs.period_start, proofs.org_unit_id, proofs.plan_day, proofs.action
        ) as proofs
    from proofs
),

manager_counts as (
    select
        managers.period_start,
        managers.org_unit_id,
        count(*) as people
    from managers
    group by managers.period_start, managers.org_unit_id
),

elt_counts as (
    select
        elt.period_start,
        count(*) as people
    from elt
    group by elt.period_start
),

-- of how many, where the plan asks for a share
asked as (
    select
        items.*,
        items.evidence_kind = 'confirmation' or items.evidences like '%|elt|%' as is_share,
        case
            when items.evidence_kind = 'confirmation' then manager_counts.people
            when items.evidences like '%|elt|%' then elt_counts.people
        end as people
    from items
    left join manager_counts
        on
            items.period_start = manager_counts.period_start
            and items.org_unit_id = manager_counts.org_unit_id
    left join elt_counts on items.period_start = elt_counts.period_start
),

needed as (
    select
        asked.*,
        case
            when asked.is_share and asked.people is null then null
            when asked.is_share
                then
                    greatest(
                        {{ whole_quotient(
                            ten_thousandths('asked.target') ~ ' * asked.people + 999999', '1000000'
                        ) }},
                        1
                    )
            when asked.evidence = 'oldest_open_action' then 1
            when asked.target is not null then {{ whole('ceil(asked.target)') }}
            when asked.evidence_kind in ('governance_roles', 'calendar') then asked.evidences_listed
            else 1
        end as needed
    from asked
),

reached as (
    select
        needed.period_start,
        needed.org_unit_id,
        needed.plan_day,
        needed.action,
        max(numbered.proofs) as proofs,
        max(case when numbered.place = needed.needed then 1 else 0 end) as is_done,
        max(case when numbered.place = needed.needed then numbered.proof_id end) as proof_id,
        max(case when numbered.place = needed.needed then numbered.proof_on end) as proof_on
    from needed
    inner join numbered
        on
            needed.period_start = numbered.period_start
            and needed.org_unit_id = numbered.org_unit_id
            and needed.plan_day = numbered.plan_day
            and needed.action = numbered.action
    group by needed.period_start, needed.org_unit_id, needed.plan_day, needed.action
)

select
    needed.period_start,
    needed.org_unit_id,
    needed.launch_on,
    needed.town_hall_on,
    needed.first_review_on,
    cast({{ days_between('needed.launch_on', 'needed.period_end') }} as integer) as day_now,
    needed.plan_day,
    needed.phase,
    needed.action,
    needed.owner_role,
    owners.person_id as owner_person_id,
    people.full_name as owner_name,
    needed.evidence_kind,
    needed.evidence,
    {{ amount('coalesce(needed.target, needed.needed)') }} as target,
    case
        when needed.evidence = 'oldest_open_action'
            then {{ amount('coalesce(oldest.age_days, 0)') }}
        when needed.is_share and needed.people is null then null
        when needed.is_share
            then
                cast(
                    {{ whole_quotient(
                        '1000 * ' ~ whole('coalesce(reached.proofs, 0)'), 'needed.people'
                    ) }} * cast(0.1 as decimal(5, 4)) as decimal(18, 4)
                )
        else {{ amount('coalesce(reached.proofs, 0)') }}
    end as reached,
    needed.due_on,
    case
        when reached.is_done = 1 then 'done'
        when needed.due_on < needed.period_end then 'overdue'
        when
            needed.due_on
            <= {{ add_days('needed.period_end', 'coalesce(rules.due_within_days, 0)') }}
            then 'due'
        else 'not_yet'
    end as status,
    reached.proof_id as evidence_id,
    case
        when reached.proof_on is not null then greatest(reached.proof_on, needed.launch_on)
    end as evidence_on
from needed
left join rules on needed.period_start = rules.period_start
left join reached
    on
        needed.period_start = reached.period_start
        and needed.org_unit_id = reached.org_unit_id
        and needed.plan_day = reached.plan_day
        and needed.action = reached.action
left join oldest
    on needed.period_start = oldest.period_start and needed.org_unit_id = oldest.org_unit_id
left join owners
    on
        needed.period_start = owners.period_start
        and needed.org_unit_id = owners.org_unit_id
        and needed.plan_day = owners.plan_day
        and needed.action = owners.action
left join {{ of_grain('int_people', grain) }} as people
    on needed.period_start = people.period_start and owners.person_id = people.person_id
{%- endmacro %}
