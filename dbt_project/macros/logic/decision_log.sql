{# The decision and action log as of the period's end: the changes known by then, folded to one row
   an entry, its owner and its faults. Dates after the period's end are not known yet. #}
{% macro decision_log(grain) -%}
{%- set stated = [
    'kind', 'title', 'right_id', 'owner_person_id', 'owner_role',
    'proposed_by_person_id', 'asked_on', 'asked_in', 'due_on', 'amount', 'source', 'warning_id',
    'if_not_taken'
] -%}
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

people as (
    select * from {{ of_grain('int_people', grain) }}
),

changes as (
    select
        periods.period_start,
        periods.period_end,
        changes.entry_id,
        changes.change_number,
        changes.known_from,
        changes.kind,
        changes.title,
        changes.right_id,
        changes.org_unit_id,
        changes.owner_person_id,
        changes.owner_role,
        changes.proposed_by_person_id,
        changes.asked_on,
        changes.asked_in,
        changes.due_on,
        changes.amount,
        changes.source,
        changes.warning_id,
        changes.if_not_taken,
        changes.decided_by_person_id,
        changes.outcome,
        case when changes.decided_on <= periods.period_end then changes.decided_on end
            as decided_on,
        case when changes.closed_on <= periods.period_end then changes.closed_on end as closed_on,
        -- what came of it is known once it has come
        coalesce(changes.decided_on, changes.closed_on, changes.known_from) <= periods.period_end
            as has_come
    from periods
    inner join {{ ref('stg_lake__decisions') }} as changes
        on changes.known_from <= periods.period_end
),

folded as (
    select
        changes.period_start,
        changes.period_end,
        changes.entry_id,
        min(changes.known_from) as known_from,
{%- for field in stated %}
        max_by(changes.{{ field }}, changes.change_number) filter (
            where changes.{{ field }} is not null
        ) as {{ field }},
{%- endfor %}
        -- '*' lifts an entry of a unit to the whole
        nullif(
            max_by(changes.org_unit_id, changes.change_number) filter (
                where changes.org_unit_id is not null
            ),
            '*'
        ) as org_unit_id,
        min_by(changes.due_on, changes.change_number) filter (
            where changes.due_on is not null
        ) as first_due_on,
        max_by(changes.decided_on, changes.change_number) filter (
            where changes.decided_on is not null
        ) as decided_on,
        max_by(changes.decided_by_person_id, changes.change_number) filter (
            where changes.decided_by_person_id is not null and changes.has_come
        ) as decided_by_person_id,
        max_by(changes.outcome, changes.change_number) filter (
            where changes.outcome is not null and changes.has_come
        ) as outcome,
        max_by(changes.closed_on, changes.change_number) filter (
            where changes.closed_on is not null
        ) as closed_on,
        max_by(changes.known_from, changes.change_number) filter (
            where changes.outcome = 'withdrawn' and changes.has_come
        ) as withdrawal_known_from
    from changes
    group by changes.period_start, changes.period_end, changes.entry_id
),

entries as (
    select
        folded.*,
        coalesce(units.org_unit_id, roots.org_unit_id) as counts_in_org_unit_id,
        case when folded.outcome = 'withdrawn'
            then coalesce(folded.closed_on, folded.withdrawal_known_from)
        end as withdrawn_on,
        case
            when folded.outcome = 'withdrawn' then 'withdrawn'
            when folded.closed_on is not null then 'done'
            when folded.decided_on is not null and coalesce(folded.kind, 'decision') = 'decision'
                then 'decided'
            when folded.first_due_on < folded.period_end then 'overdue'
            else 'open'
        end as status
    from folded
    inner join roots on folded.period_start = roots.period_start
    left join tree as units
        on
            folded.period_start = units.period_start
            and folded.org_unit_id = units.org_unit_id
            and units.distance = 0
    where coalesce(folded.asked_on, folded.known_from) <= folded.period_end
),

kept as (
    select entries.*
    from entries
    where
        entries.status in ('open', 'overdue')
        or entries.first_due_on >= entries.period_start
        or coalesce(entries.withdrawn_on, entries.closed_on, entries.decided_on)
        >= {{ add_months('entries.period_end', -13) }}
),

-- the right as it stood when it was used, else as it stands
rights as (
    select
        kept.period_start,
        kept.entry_id,
        rights.decides_role,
        rights.silence,
        rights.amount_to,
        row_number() over (
            partition by kept.period_start, kept.entry_id order by rights.valid_from desc
        ) as recency
    from kept
    inner join {{ ref('decision_rights') }} as rights
        on
            kept.right_id = rights.decision_id
            and rights.valid_from <= coalesce(kept.decided_on, kept.period_end)
),

used as (
    select
        kept.period_start,
        kept.entry_id,
        kept.counts_in_org_unit_id,
        kept.decided_on,
        kept.decided_by_person_id,
        concat('|', rights.decides_role, '|') as roles
    from kept
    inner join rights
        on
            kept.period_start = rights.period_start
            and kept.entry_id = rights.entry_id
            and rights.recency = 1
    where kept.decided_on is not null
),

-- the charter's sponsor goes before the unit's own, and both before the executive sponsor
appointed as (
    select
        roles.role,
        roles.org_unit_id,
        roles.person_id,
        roles.deputy_person_id,
        roles.valid_from,
        roles.valid_to,
        0 as precedence
    from {{ ref('governance_roles') }} as roles
    union all
    select
        'sponsor' as role,
        units.org_unit_id,
        units.sponsor_person_id as person_id,
        cast(null as string) as deputy_person_id,
        units.valid_from,
        units.valid_to,
        1 as precedence
    from {{ ref('stg_lake__org_units') }} as units
    where units.sponsor_person_id is not null
    union all
    select
        'sponsor' as role,
        roles.org_unit_id,
        roles.person_id,
        roles.deputy_person_id,
        roles.valid_from,
        roles.valid_to,
        2 as precedence
    from {{ ref('governance_roles') }} as roles
    where roles.role = 'executive_sponsor'
),

entitled as (
    select
        used.period_start,
        used.entry_id,
        used.decided_on,
        used.decided_by_person_id,
        appointed.person_id,
        appointed.deputy_person_id,
        rank() over (
            partition by used.period_start, used.entry_id, appointed.role
            order by tree.distance, appointed.precedence
        ) as nearness
    from used
    inner join tree
        on
            used.period_start = tree.period_start
            and used.counts_in_org_unit_id = tree.org_unit_id
    inner join roots on used.period_start = roots.period_start
    inner join appointed
        on
            (
                tree.ancestor_id = appointed.org_unit_id
                or (appointed.org_unit_id = '*' and tree.ancestor_id = roots.org_unit_id)
            )
            and used.roles like concat('%|', appointed.role, '|%')
            and {{ holds_on('appointed', 'used.decided_on') }}
),

rightful as (
    select distinct
        entitled.period_start,
        entitled.entry_id
    from entitled
    left join people as deputies
        on
            entitled.period_start = deputies.period_start
            and entitled.deputy_person_id = deputies.person_id
            and (deputies.hired_on is null or deputies.hired_on <= entitled.decided_on)
            and (deputies.left_on is null or deputies.left_on > entitled.decided_on)
    where
        entitled.nearness = 1
        and (
            entitled.decided_by_person_id = entitled.person_id
            or entitled.decided_by_person_id = deputies.person_id
        )
),

-- an entry of no person is the holder's of its role; a decision is that of who decides
owned as (
    select
        kept.*,
        rights.decides_role,
        rights.silence,
        rights.amount_to,
        coalesce(
            kept.owner_role, case when kept.kind = 'decision' then rights.decides_role end
        ) as owning_role
    from kept
    left join rights
        on
            kept.period_start = rights.period_start
            and kept.entry_id = rights.entry_id
            and rights.recency = 1
),

role_owners as (
    select
        owned.period_start,
        owned.entry_id,
        count(distinct holders.person_id) as holders,
        max(holders.person_id) as person_id
    from owned
    inner join {{ of_grain('int_role_holders', grain) }} as holders
        on
            owned.period_start = holders.period_start
            and owned.counts_in_org_unit_id = holders.org_unit_id
            and concat('|', owned.owning_role, '|') like concat('%|', holders.role, '|%')
    where owned.owner_person_id is null
    group by owned.period_start, owned.entry_id
),

judged as (
    select
        owned.*,
        coalesce(
            owned.owner_person_id, case when role_owners.holders = 1 then role_owners.person_id end
        ) as owning_person_id,
        coalesce(role_owners.holders, 0) as holders,
        rightful.entry_id is not null as is_rightful,
        case
            when coalesce(owned.kind, 'decision') = 'decision'
                then coalesce(owned.decided_on, owned.closed_on)
            else owned.closed_on
        end as finished_on
    from owned
    left join role_owners
        on
            owned.period_start = role_owners.period_start
            and owned.entry_id = role_owners.entry_id
    left join rightful
        on owned.period_start = rightful.period_start and owned.entry_id = rightful.entry_id
)

select
    judged.period_start,
    judged.entry_id,
    judged.kind,
    judged.title,
    judged.right_id,
    judged.org_unit_id,
    judged.counts_in_org_unit_id,
    judged.source,
    judged.warning_id,
    judged.asked_on,
    judged.asked_in,
    judged.proposed_by_person_id,
    judged.owning_person_id as owner_person_id,
    people.full_name as owner_name,
    judged.owning_role as owner_role,
    cast(judged.amount as decimal(18, 2)) as amount,
    judged.first_due_on,
    judged.due_on,
    judged.decided_on,
    judged.decided_by_person_id,
    judged.outcome,
    judged.closed_on,
    judged.withdrawn_on,
    judged.status,
    case
        when judged.asked_on is not null
            then
                cast(
                    greatest(
                        {{ days_between(
                            'judged.asked_on',
                            'coalesce(judged.withdrawn_on, judged.finished_on, judged.period_end)'
                        ) }},
                        0
                    ) as bigint
                )
    end as waiting_days,
    case
        when judged.status = 'withdrawn' then null
        when judged.finished_on <= judged.first_due_on then 1
        when judged.first_due_on <= judged.period_end then 0
    end as closed_on_time,
    case
        when judged.title is null then 'decision_for_unknown_entry'
        when judged.right_id is not null and judged.decides_role is null then 'unknown_right'
        -- leaving the right out is no way round it
        when
            judged.right_id is null
            and judged.kind = 'decision'
            and judged.decided_on is not null
            then 'unknown_right'
        when
            judged.decided_on is not null
            and (
                judged.amount > judged.amount_to
                or (
                    not judged.is_rightful
                    -- nobody is appointed to these roles
                    and not (
                        concat('|', judged.decides_role, '|') like '%|manager|%'
                        or concat('|', judged.decides_role, '|') like '%|course_owner|%'
                        or concat('|', judged.decides_role, '|') like '%|feed_owner|%'
                        or concat('|', judged.decides_role, '|') like '%|affected_units|%'
                    )
                    and not (
                        judged.decided_by_person_id is null
                        and judged.silence = 'takes_effect'
                        and judged.decided_on >= judged.first_due_on
                    )
                )
            )
            and judged.decides_role is not null
            then 'decided_without_right'
        when judged.owner_person_id is not null and people.person_id is null then 'unknown_owner'
        when judged.owning_person_id is null and judged.holders = 0 then 'unknown_owner'
    end as fault,
    judged.if_not_taken
from judged
left join people
    on
        judged.period_start = people.period_start
        and judged.owning_person_id = people.person_id
{%- endmacro %}
