{# Business outcomes behind each unit's performance: its own, or those of the topmost reporting
   units beneath it; the quarter itself and the four whole quarters before launch. #}
{% macro fct_outcomes(grain) -%}
with

units as (
    select distinct
        tree.period_start,
        tree.ancestor_id as org_unit_id
    from {{ of_grain('int_org_tree', grain) }} as tree
),

declared as (
    select
        periods.period_start,
        units.org_unit_id,
        programme.outcome_metric,
        programme.launch_on,
        coalesce(programme.outcome_lag_quarters, 0) as lag_quarters,
        {{ start_of('quarter', 'programme.launch_on') }} as launch_quarter,
        row_number() over (
            partition by periods.period_start, units.org_unit_id
            order by
                case when programme.org_unit_id = '*' then 1 else 0 end,
                programme.valid_from desc
        ) as priority
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join units on periods.period_start = units.period_start
    inner join {{ ref('programme') }} as programme
        on
            (units.org_unit_id = programme.org_unit_id or programme.org_unit_id = '*')
            and programme.valid_from <= periods.period_end
),

quarters as (
    select
        outcomes.org_unit_id,
        outcomes.metric,
        {{ start_of('quarter', 'outcomes.period_start') }} as quarter_start,
        max(outcomes.direction) as direction,
        sum(outcomes.numerator) as numerator,
        sum(coalesce(outcomes.denominator, 1)) as denominator
    from {{ ref('stg_lake__business_outcomes') }} as outcomes
    where outcomes.numerator is not null
    group by
        outcomes.org_unit_id,
        outcomes.metric,
        {{ start_of('quarter', 'outcomes.period_start') }}
),

used as (
    select
        declared.period_start,
        declared.org_unit_id,
        declared.outcome_metric,
        declared.launch_quarter,
        declared.lag_quarters,
        tree.org_unit_id as reporting_unit_id,
        quarters.quarter_start,
        quarters.direction,
        quarters.numerator,
        quarters.denominator,
        case when quarters.quarter_start = declared.period_start then 1 else 0 end
            as in_numerator,
        case
            when
                quarters.quarter_start < declared.launch_quarter
                and quarters.quarter_start >= {{ add_months('declared.launch_quarter', -12) }}
                then 1
            else 0
        end as in_denominator
    from declared
    inner join {{ of_grain('int_org_tree', grain) }} as tree
        on
            declared.period_start = tree.period_start
            and declared.org_unit_id = tree.ancestor_id
    inner join quarters
        on
            tree.org_unit_id = quarters.org_unit_id
            and declared.outcome_metric = quarters.metric
            and (
                quarters.quarter_start = declared.period_start
                or (
                    quarters.quarter_start < declared.launch_quarter
                    and quarters.quarter_start
                    >= {{ add_months('declared.launch_quarter', -12) }}
                )
            )
    where declared.priority = 1
),

reporting as (
    select distinct
        used.period_start,
        used.org_unit_id,
        used.reporting_unit_id
    from used
),

-- a unit whose own outcome is reported speaks for the units beneath it
spoken_for as (
    select distinct
        beneath.period_start,
        beneath.org_unit_id,
        beneath.reporting_unit_id
    from reporting as beneath
    inner join {{ of_grain('int_org_tree', grain) }} as tree
        on
            beneath.period_start = tree.period_start
            and beneath.reporting_unit_id = tree.org_unit_id
            and tree.distance > 0
    inner join reporting as above
        on
            beneath.period_start = above.period_start
            and beneath.org_unit_id = above.org_unit_id
            and tree.ancestor_id = above.reporting_unit_id
),

counted as (
    select
        used.*,
        sum(used.in_numerator) over of_reporter as current_quarters,
        sum(used.in_denominator) over of_reporter as baseline_quarters
    from used
    left join spoken_for
        on
            used.period_start = spoken_for.period_start
            and used.org_unit_id = spoken_for.org_unit_id
            and used.reporting_unit_id = spoken_for.reporting_unit_id
    where spoken_for.reporting_unit_id is null
    window of_reporter as (
        partition by used.period_start, used.org_unit_id, used.reporting_unit_id
    )
)

select
    period_start,
    org_unit_id,
    reporting_unit_id,
    outcome_metric,
    direction,
    launch_quarter,
    lag_quarters,
    quarter_start,
    numerator,
    denominator,
    in_numerator,
    in_denominator,
    -- like is compared with like: a reporter counts when all its five quarters are known
    case when current_quarters = 1 and baseline_quarters = 4 then 1 else 0 end as is_complete
from counted
{%- endmacro %}
