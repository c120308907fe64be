{# Messages issued in the 13 months up to the period's end, or still live then, in every unit they
   reach: how many of its managers (those beneath it included) confirmed that they passed it on. #}
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

managers as (
    select
        managers.period_start,
        tree.ancestor_id as org_unit_id,
        managers.person_id
    from {{ of_grain('int_managers', grain) }} as managers
    inner join tree
        on
            managers.period_start = tree.period_start
            and managers.org_unit_id = tree.org_unit_id
    where managers.is_counted
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
