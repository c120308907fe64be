{# Of each unit with a sponsor of its own: the whole weeks up to the last recorded one without an
   action of the sponsor that people of the unit could see or hear. Weeks before the launch, before
   the role and before the first record do not count, nor do weeks of leave, which do not end the
   silence either. Two sponsors of one unit are silent when both are. #}
{% macro int_sponsor_silence(grain) -%}
with

digits as (
{%- for digit in range(10) %}
    select {{ digit }} as digit
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}
),

numbers as (
    select ones.digit + 10 * tens.digit + 100 * hundreds.digit as back
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
),

last_actions as (
    select
        sponsors.period_start,
        sponsors.org_unit_id,
        max(reaching.happened_on) as happened_on,
        max_by(
            reaching.action_id,
            concat(cast(reaching.happened_on as string), reaching.action_id)
        ) as action_id
    from {{ of_grain('int_sponsors', grain) }} as sponsors
    inner join {{ of_grain('int_actions_reaching', grain) }} as reaching
        on
            sponsors.period_start = reaching.period_start
            and sponsors.org_unit_id = reaching.org_unit_id
            and sponsors.person_id = reaching.person_id
            and reaching.is_visible = 1
    group by sponsors.period_start, sponsors.org_unit_id
),

since as (
    select
        sponsors.period_start,
        sponsors.org_unit_id,
        sponsors.person_id,
        recorded.last_week_start,
        greatest(
            sponsors.launch_on,
            sponsors.in_role_from,
            recorded.recorded_from,
            {{ add_days('last_actions.happened_on', 1) }}
        ) as first_on
    from {{ of_grain('int_sponsors', grain) }} as sponsors
    inner join {{ of_grain('int_recorded_weeks', grain) }} as recorded
        on sponsors.period_start = recorded.period_start
    left join last_actions
        on
            sponsors.period_start = last_actions.period_start
            and sponsors.org_unit_id = last_actions.org_unit_id
),

weeks as (
    select
        since.period_start,
        since.org_unit_id,
        since.person_id,
        {{ add_days('since.last_week_start', '-7 * numbers.back') }} as week_start
    from since
    inner join numbers
        on 7 * numbers.back <= {{ days_between('since.first_on', 'since.last_week_start') }}
),

silent_weeks as (
    select
        weeks.period_start,
        weeks.org_unit_id,
        weeks.week_start,
        min(weeks.person_id) as person_id
    from weeks
    left join {{ of_grain('int_leave_spells', grain) }} as spells
        on
            weeks.period_start = spells.period_start
            and weeks.person_id = spells.person_id
            and spells.leave_from <= weeks.week_start
            and spells.leave_to >= {{ add_days('weeks.week_start', 4) }}
    where spells.person_id is null
    group by weeks.period_start, weeks.org_unit_id, weeks.week_start
)

select
    silent_weeks.period_start,
    silent_weeks.org_unit_id,
    max_by(silent_weeks.person_id, silent_weeks.week_start) as person_id,
    cast(count(*) as bigint) as weeks,
    min(silent_weeks.week_start) as silent_since,
    max(last_actions.action_id) as last_action_id,
    max(last_actions.happened_on) as last_action_on
from silent_weeks
left join last_actions
    on
        silent_weeks.period_start = last_actions.period_start
        and silent_weeks.org_unit_id = last_actions.org_unit_id
group by silent_weeks.period_start, silent_weeks.org_unit_id
{%- endmacro %}
