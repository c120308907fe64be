{# Messages issued in the 13 months up to the period's end, or still live then, in every unit they
   reach: how many of its managers (those beneath it included) confirmed that they passed it on.

   Its managers are those of the day of issue who still count at the period's end: who took over
   later could not pass it on in time, and who led then is asked though they lead nobody now. #}
{% macro message_cascade(grain) -%}
{%- set window_days = 10 -%}
with

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

messages as (
    select
        periods.period_start,
        periods.period_end,
        messages.message_id,
        messages.issued_on,
        messages.expires_on,
        units.org_unit_id as audience_org_unit_id
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('messages') }} as messages
        on
            messages.issued_on <= periods.period_end
            and (
                messages.issued_on >= {{ add_months('periods.period_end', -13) }}
                or messages.expires_on >= periods.period_start
            )
    inner join tree as units
        on
            periods.period_start = units.period_start
            and units.distance = 0
            and (
                messages.audience_org_unit_id = units.org_unit_id
                or (messages.audience_org_unit_id = '*' and units.depth = 0)
            )
),

issues as (
    select distinct
        messages.period_start,
        messages.message_id,
        messages.issued_on
    from messages
),

-- people as they were known on that day, else as they were known first
versions as (
    select
        issues.period_start,
        issues.message_id,
        issues.issued_on,
        people.person_id,
        people.manager_id,
        people.leader_level,
        people.org_unit_id,
        people.valid_from,
        people.valid_to,
        people.hired_on,
        people.role_started_on,
        people.left_on,
        row_number() over (
            partition by issues.period_start, issues.message_id, people.person_id
            order by
                case when people.valid_from <= issues.issued_on then 0 else 1 end,
                abs({{ days_between('people.valid_from', 'issues.issued_on') }})
        ) as recency
    from issues
    inner join {{ of_grain('stg_control__periods', grain) }} as periods
        on issues.period_start = periods.period_start
    inner join {{ ref('stg_lake__people') }} as people
        on people.valid_from <= periods.period_end
),

employed as (
    select versions.*
    from versions
    where
        versions.recency = 1
        and (versions.hired_on is null or versions.hired_on <= versions.issued_on)
        and (versions.left_on is null or versions.left_on > versions.issued_on)
        and (versions.valid_to is null or versions.valid_to > versions.issued_on)
),

leads_then as (
    select distinct
        employed.period_start,
        employed.message_id,
        employed.manager_id as person_id
    from employed
    where employed.manager_id <> employed.person_id
),

managers as (
    select
        employed.period_start,
        employed.message_id,
        tree.ancestor_id as org_unit_id,
        employed.person_id
    from employed
    inner join {{ of_grain('int_population', grain) }} as population
        on
            employed.period_start = population.period_start
            and employed.person_id = population.person_id
            and population.is_eligible
            and population.employment_line = 'employee'
    left join leads_then
        on
            employed.period_start = leads_then.period_start
            and employed.message_id = leads_then.message_id
            and employed.person_id = leads_then.person_id
    left join tree as units
        on
            employed.period_start = units.period_start
            and employed.org_unit_id = units.org_unit_id
            and units.distance = 0
    inner join tree
        on
            employed.period_start = tree.period_start
            and coalesce(units.org_unit_id, population.org_unit_id) = tree.org_unit_id
    where
        (leads_then.person_id is not null or employed.leader_level = 'manager')
        -- the first snapshot came after the issue: the role says since when
        and (
            employed.valid_from <= employed.issued_on
            or employed.role_started_on is null
            or employed.role_started_on <= employed.issued_on
        )
),

confirmations as (
    select
        messages.period_start,
        messages.message_id,
        actions.person_id,
        min(actions.happened_on) as confirmed_on
    from messages
    inner join {{ ref('stg_lake__leader_actions') }} as actions
        on
            messages.message_id = actions.message_id
            and actions.kind = 'manager_cascade'
            and actions.happened_on between messages.issued_on and messages.period_end
    group by messages.period_start, messages.message_id, actions.person_id
)

select
    messages.period_start,
    messages.message_id,
    messages.audience_org_unit_id,
    reached.org_unit_id,
    messages.issued_on,
    messages.expires_on,
    cast({{ days_between('messages.issued_on', 'messages.period_end') }} as bigint) as age_days,
    case when messages.expires_on >= messages.period_end then 1 else 0 end as is_live,
    cast(count(managers.person_id) as bigint) as managers,
    cast(count(confirmations.person_id) as bigint) as confirmed,
    cast(
        sum(
            case
                when
                    confirmations.confirmed_on
                    <= {{ add_days('messages.issued_on', window_days) }}
                    then 1
                else 0
            end
        ) as bigint
    ) as confirmed_in_window
from messages
inner join tree as reached
    on
        messages.period_start = reached.period_start
        and messages.audience_org_unit_id = reached.ancestor_id
left join managers
    on
        messages.period_start = managers.period_start
        and messages.message_id = managers.message_id
        and reached.org_unit_id = managers.org_unit_id
left join confirmations
    on
        messages.period_start = confirmations.period_start
        and messages.message_id = confirmations.message_id
        and managers.person_id = confirmations.person_id
group by
    messages.period_start,
    messages.period_end,
    messages.message_id,
    messages.audience_org_unit_id,
    reached.org_unit_id,
    messages.issued_on,
    messages.expires_on
{%- endmacro %}
