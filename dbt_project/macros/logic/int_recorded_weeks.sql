{# The weeks for which it is known what leaders did: from the first record, to the last whole ISO
   week that the records cover by the period's end. A delivery of the feed leader_actions speaks for
   the days before its date, and for later ones as far as its actions go; without that feed, what
   people record as it happens speaks for every day. #}
{% macro int_recorded_weeks(grain) -%}
with

delivered as (
    select
        min(deliveries.delivery_date) as first_on,
        max(
            case
                when deliveries.feed = 'leader_actions'
                    then
                        greatest(
                            {{ add_days('deliveries.delivery_date', -1) }},
                            coalesce(
                                deliveries.newest_on,
                                {{ add_days('deliveries.delivery_date', -1) }}
                            )
                        )
            end
        ) as covered_until
    from {{ ref('stg_lake__deliveries') }} as deliveries
    where deliveries.feed in ('leader_actions', 'records')
),

actions as (
    select min(actions.happened_on) as first_on
    from {{ ref('stg_lake__leader_actions') }} as actions
)

select
    periods.period_start,
    least(delivered.first_on, coalesce(actions.first_on, delivered.first_on)) as recorded_from,
    {{ add_days(
        start_of(
            'week',
            add_days(
                'least(periods.period_end, coalesce(delivered.covered_until, periods.period_end))',
                1
            )
        ),
        -7
    ) }} as last_week_start
from {{ of_grain('stg_control__periods', grain) }} as periods
cross join delivered
cross join actions
where delivered.first_on is not null
{%- endmacro %}
