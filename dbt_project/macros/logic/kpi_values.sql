{# Every KPI of the catalogue at this grain, for every unit of the period. Counts are summed up the
   tree and divided once, at the end. #}
{% macro kpi_values(grain) -%}
{%- set has_competency = grain in ('month', 'quarter') -%}
{%- set has_quarterly = grain == 'quarter' -%}
{#- survival is a product of fractions: a hair above one half is one half -#}
{%- set half = '0.500000001' -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

tree as (
    select * from {{ of_grain('int_org_tree', grain) }}
),

units as (
    select distinct
        tree.period_start,
        tree.org_unit_id,
        tree.depth
    from tree
),

catalogue as (
    select
        period_start,
        kpi_id,
        role,
        unit,
        precision as places
    from {{ of_grain('kpi_catalogue', grain) }}
    where concat('|', grains, '|') like '%|{{ grain }}|%'
),

delivered as (
    select
        periods.period_start,
        max(case when deliveries.feed = 'activity' then 1 else 0 end) as activity,
        max(case when deliveries.feed = 'enrolments' then 1 else 0 end) as enrolments,
        max(case when deliveries.feed = 'assessments' then 1 else 0 end) as assessments,
        max(case when deliveries.feed = 'certifications' then 1 else 0 end) as certifications
    from periods
    inner join {{ ref('stg_lake__deliveries') }} as deliveries
        on deliveries.feed <> 'activity' or deliveries.delivery_date >= periods.period_start
    group by periods.period_start
),

-- what each unit counts itself; a KPI may have several parts
parts as (
    select
        period_start,
        'active_learner_rate' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(*) as people
    from {{ of_grain('fct_active_learners', grain) }}
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        'active_learner_rate_total' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator_total)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(*) as people
    from {{ of_grain('fct_active_learners', grain) }}
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        case when is_mandatory then 'on_time_completion_rate' else 'elective_completion_rate' end
            as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(distinct person_id) as people
    from {{ of_grain('fct_enrolments_due', grain) }}
    where in_denominator = 1
    group by period_start, is_mandatory, org_unit_id, employment_line
    union all
    select
        period_start,
        'mandatory_short_notice' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(is_short_notice)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(distinct person_id) as people
    from {{ of_grain('fct_enrolments_due', grain) }}
    where in_denominator = 1 and is_mandatory
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        'mandatory_overdue_today' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(*) as people
    from {{ of_grain('fct_mandatory_overdue', grain) }}
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        case when is_mandatory then 'adoption_velocity_mandatory' else 'adoption_velocity' end
            as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('0') }} as denominator,
        0 as people
    from {{ of_grain('fct_first_completions', grain) }}
    group by period_start, is_mandatory, org_unit_id, employment_line
    union all
    select
        population.period_start,
        velocity.kpi_id,
        population.org_unit_id,
        population.employment_line,
        {{ amount('0') }} as numerator,
        {{ amount('count(*)') }} as denominator,
        count(*) as people
    from {{ of_grain('int_population', grain) }} as population
    cross join (
        select 'adoption_velocity' as kpi_id
        union all
        select 'adoption_velocity_mandatory' as kpi_id
    ) as velocity
    where population.is_eligible
    group by
        population.period_start,
        velocity.kpi_id,
        population.org_unit_id,
        population.employment_line
{%- if has_competency %}
    union all
    select
        period_start,
        'certification_rate' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(distinct person_id) as people
    from {{ of_grain('fct_certification_pairs', grain) }}
    where in_denominator = 1
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        'certifications_lapsing_60d' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(lapses_in_60_days)') }} as numerator,
        {{ amount('sum(in_numerator)') }} as denominator,
        count(distinct person_id) as people
    from {{ of_grain('fct_certification_pairs', grain) }}
    where in_numerator = 1
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        'leaders_flagship_completed' as kpi_id,
        org_unit_id,
        employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        count(*) as people
    from {{ of_grain('fct_leaders_flagship', grain) }}
    group by period_start, org_unit_id, employment_line
    union all
    select
        period_start,
        'commitments_closed_on_time' as kpi_id,
        org_unit_id,
        'employee' as employment_line,
        {{ amount('sum(in_numerator)') }} as numerator,
        {{ amount('sum(in_denominator)') }} as denominator,
        cast(null as bigint) as people
    from {{ of_grain('fct_commitments', grain) }}
    where in_denominator = 1
    group by period_start, org_unit_id
{%- endif %}
),

rolled_up as (
    select
        parts.period_start,
        parts.kpi_id,
        tree.ancestor_id as org_unit_id,
        parts.employment_line,
        sum(parts.numerator) as numerator,
        sum(parts.denominator) as denominator,
        sum(parts.people) as people
    from parts
    inner join tree
        on parts.period_start = tree.period_start and parts.org_unit_id = tree.org_unit_id
    group by parts.period_start, parts.kpi_id, tree.ancestor_id, parts.employment_line
),
{% if has_competency %}
clocks as (
    select
        clocks.period_start,
        tree.ancestor_id as org_unit_id,
        clocks.employment_line,
        count(*) as clocks,
        sum(clocks.has_passed) as passed,
        sum(case when clocks.duration_days <= 90 then clocks.has_passed else 0 end)
            as passed_by_90,
        max(clocks.duration_days) as longest,
        count(distinct clocks.person_id) as people
    from {{ of_grain('fct_competency_clocks', grain) }} as clocks
    inner join tree
        on clocks.period_start = tree.period_start and clocks.org_unit_id = tree.org_unit_id
    group by clocks.period_start, tree.ancestor_id, clocks.employment_line
),

medians as (
    select
        period_start,
        org_unit_id,
        employment_line,
        min(case when survival <= {{ half }} then duration_days end) as median_days,
        min(case when survival_lower <= {{ half }} then duration_days end) as lower_days,
        min(case when survival_upper <= {{ half }} then duration_days end) as upper_days,
        min(case when duration_days <= 90 then survival else 1.0 end) as survival_at_90,
        min(survival) as survival_at_end,
        -- the number at risk falls with the days: the first day at or past the median has the most
        max(case when survival <= {{ half }} then at_risk end) as at_risk_at_median
    from {{ of_grain('int_competency_survival', grain) }}
    group by period_start, org_unit_id, employment_line
),

sponsor_weeks as (
    select
        period_start,
        org_unit_id,
        week_start,
        max(in_numerator) as in_numerator,
        max(in_denominator) as in_denominator,
        sum(actions) as actions
    from {{ of_grain('fct_sponsor_weeks', grain) }}
    group by period_start, org_unit_id, week_start
),

sponsors as (
    select
        period_start,
        org_unit_id,
        sum(in_numerator) as visible_weeks,
        sum(in_denominator) as weeks,
        sum(actions) as actions
    from sponsor_weeks
    group by period_start, org_unit_id
),
{% endif %}
{%- if has_quarterly %}
outcome_sums as (
    select
        period_start,
        org_unit_id,
        max(direction) as direction,
        max(launch_quarter) as launch_quarter,
        max(lag_quarters) as lag_quarters,
        max(is_complete) as is_complete,
        max(in_numerator) as has_current,
        sum(case when is_complete = 1 and in_numerator = 1 then numerator end) as now_above,
        sum(case when is_complete = 1 and in_numerator = 1 then denominator end) as now_below,
        sum(case when is_complete = 1 and in_denominator = 1 then numerator end) as then_above,
        sum(case when is_complete = 1 and in_denominator = 1 then denominator end)
            as then_below
    from {{ of_grain('fct_outcomes', grain) }}
    group by period_start, org_unit_id
),

outcomes as (
    select
        period_start,
        org_unit_id,
        {{ ten_thousandths('now_above') }} as now_above,
        {{ ten_thousandths('now_below') }} as now_below,
        {{ ten_thousandths('then_above') }} as then_above,
        {{ ten_thousandths('then_below') }} as then_below,
        case when direction = 'down' then -1 else 1 end as better,
        case
            when period_start < launch_quarter then 'before launch'
            when period_start < {{ add_months('launch_quarter', '3 * lag_quarters') }}
                then 'outcome not due yet'
            when is_complete = 0 and has_current = 0 then 'no outcome for the quarter'
            when is_complete = 0 then 'baseline incomplete'
            when now_below <= 0 or then_below <= 0 then 'nothing to divide by'
            when then_above = 0 then 'baseline is zero'
        end as reason
    from outcome_sums
),

-- a divisor of 1 stands in where there is none; the reason then hides the result
outcome_ratios as (
    select
        outcomes.*,
        100 * better * (now_above * then_below - then_above * now_below) as change_above,
        case when reason is null then now_below * abs(then_above) else {{ whole('1') }} end
            as change_below,
        case when reason is null then now_below else {{ whole('1') }} end as safe_now_below,
        case when reason is null then then_below else {{ whole('1') }} end as safe_then_below
    from outcomes
),

active_seats as (
    select
        seats.period_start,
        tree.ancestor_id as org_unit_id,
        sum(seats.in_numerator) as active,
        count(*) as people
    from {{ of_grain('fct_seat_use', grain) }} as seats
    inner join tree
        on seats.period_start = tree.period_start and seats.org_unit_id = tree.org_unit_id
    where seats.employment_line = 'employee'
    group by seats.period_start, tree.ancestor_id
),

licence_shares as (
    select
        periods.period_start,
        licences.seats,
        {{ ten_thousandths('licences.seats * licences.cost_per_seat') }} as cost,
        1 + {{ days_between(
            'greatest(licences.period_start, periods.period_start)', 'periods.period_end'
        ) }} as days_used,
        1 + {{ days_between('licences.period_start', 'licences.period_end') }} as days_paid
    from periods
    inner join {{ ref('licences') }} as licences
        on periods.period_end between licences.period_start and licences.period_end
),

bought as (
    select
        period_start,
        sum(seats) as seats,
        sum({{ rounded_quotient('(cost * days_used)', '(days_paid * 10000)', 4) }}) as cost
    from licence_shares
    group by period_start
),

idle as (
    select
        units.period_start,
        units.org_unit_id,
        units.depth,
        coalesce(active_seats.active, 0) as active,
        coalesce(active_seats.people, 0) as people,
        bought.seats,
        bought.cost,
        {{ ten_thousandths('bought.cost') }}
        * {{ whole('greatest(bought.seats - coalesce(active_seats.active, 0), 0)') }}
            as idle_cost_above,
        {{ whole('10000') }} * {{ whole('case when bought.seats > 0 then bought.seats else 1 end') }}
            as idle_cost_below,
        case
            when units.depth > 0 then 'seats are bought for the whole'
            when coalesce(bought.seats, 0) = 0 then 'no seats bought'
        end as reason
    from units
    left join active_seats
        on
            units.period_start = active_seats.period_start
            and units.org_unit_id = active_seats.org_unit_id
    left join bought on units.period_start = bought.period_start
),
{% endif %}
-- KPIs that are not a quotient of sums, ready for their unit
given as (
    select
        cast(null as date) as period_start,
        cast(null as string) as kpi_id,
        cast(null as string) as org_unit_id,
        cast(null as string) as employment_line,
        {{ amount('null') }} as numerator,
        {{ amount('null') }} as denominator,
        {{ whole('null') }} as above,
        {{ whole('null') }} as below,
        {{ amount('null') }} as lower,
        {{ amount('null') }} as upper,
        cast(null as bigint) as people,
        cast(null as string) as reason
    where false
{%- if has_competency %}
    union all
    select
        clocks.period_start,
        kpis.kpi_id,
        clocks.org_unit_id,
        clocks.employment_line,
        {{ amount("""case kpis.kpi_id
            when 'time_to_competency' then clocks.passed
            when 'competency_by_day_90' then clocks.passed_by_90
            else medians.at_risk_at_median
        end""") }} as numerator,
        {{ amount('clocks.clocks') }} as denominator,
        {{ ten_thousandths("""case kpis.kpi_id
            when 'time_to_competency' then medians.median_days
            when 'competency_by_day_90'
                then
                    case
                        when clocks.longest >= 90 or medians.survival_at_end = 0
                            then 100 * (1 - medians.survival_at_90)
                    end
            else medians.at_risk_at_median
        end""") }} as above,
        {{ whole('10000') }} as below,
        {{ amount("case when kpis.kpi_id = 'time_to_competency' then medians.lower_days end") }}
            as lower,
        {{ amount("case when kpis.kpi_id = 'time_to_competency' then medians.upper_days end") }}
            as upper,
        clocks.people,
        case
            when kpis.kpi_id = 'competency_by_day_90'
                then
                    case
                        when clocks.longest < 90 and medians.survival_at_end > 0
                            then 'nobody observed for 90 days'
                    end
            when medians.median_days is null then 'not reached'
        end as reason
    from clocks
    inner join medians
        on
            clocks.period_start = medians.period_start
            and clocks.org_unit_id = medians.org_unit_id
            and clocks.employment_line = medians.employment_line
    cross join (
        select 'time_to_competency' as kpi_id
        union all
        select 'competency_by_day_90' as kpi_id
        union all
        select 'competency_at_risk' as kpi_id
    ) as kpis
    union all
    select
        sponsors.period_start,
        'sponsor_visible_weeks' as kpi_id,
        sponsors.org_unit_id,
        'employee' as employment_line,
        {{ amount('sponsors.visible_weeks') }} as numerator,
        {{ amount('sponsors.weeks') }} as denominator,
        {{ ten_thousandths('sponsors.visible_weeks') }} as above,
        {{ whole('10000') }} as below,
        {{ amount('null') }} as lower,
        {{ amount('null') }} as upper,
        cast(null as bigint) as people,
        case
            when sponsors.weeks = 0 then 'on leave throughout'
            when sponsors.actions = 0 then 'no record'
        end as reason
    from sponsors
{%- endif %}
{%- if has_quarterly %}
    union all
    select
        period_start,
        'performance_improvement' as kpi_id,
        org_unit_id,
        'employee' as employment_line,
        case
            when reason is null
                then {{ rounded_quotient('now_above', 'safe_now_below', 4) }}
        end as numerator,
        case
            when reason is null
                then {{ rounded_quotient('then_above', 'safe_then_below', 4) }}
        end as denominator,
        change_above as above,
        change_below as below,
        {{ amount('null') }} as lower,
        {{ amount('null') }} as upper,
        cast(null as bigint) as people,
        reason
    from outcome_ratios
    union all
    select
        period_start,
        'seat_use' as kpi_id,
        org_unit_id,
        'employee' as employment_line,
        {{ amount('active') }} as numerator,
        case when depth = 0 then {{ amount('seats') }} end as denominator,
        {{ whole('100 * active') }} as above,
        {{ whole('case when seats > 0 then seats else 1 end') }} as below,
        {{ amount('null') }} as lower,
        {{ amount('null') }} as upper,
        people,
        reason
    from idle
    union all
    select
        period_start,
        'idle_seat_cost' as kpi_id,
        org_unit_id,
        'employee' as employment_line,
        case
            when reason is null
                then {{ rounded_quotient('idle_cost_above', 'idle_cost_below', 4) }}
        end as numerator,
        case when depth = 0 then {{ amount('seats') }} end as denominator,
        idle_cost_above as above,
        idle_cost_below as below,
        {{ amount('null') }} as lower,
        {{ amount('null') }} as upper,
        people,
        reason
    from idle
{%- endif %}
),

spine as (
    select
        periods.period_start,
        periods.period_end,
        catalogue.kpi_id,
        catalogue.unit,
        catalogue.places,
        units.org_unit_id,
        lines.employment_line
    from periods
    inner join units on periods.period_start = units.period_start
    inner join catalogue on periods.period_start = catalogue.period_start
    cross join (
        select 'employee' as employment_line
        union all
        select 'contractor' as employment_line
    ) as lines
    where
        (
            catalogue.role <> 'leadership'
            or units.depth = 0
            or catalogue.kpi_id in ('sponsor_visible_weeks', 'commitments_closed_on_time')
        )
        and (
            lines.employment_line = 'employee'
            or (
                catalogue.unit = 'percent'
                and catalogue.role <> 'leadership'
                and catalogue.kpi_id <> 'seat_use'
            )
        )
),

targets as (
    select
        spine.period_start,
        spine.kpi_id,
        spine.org_unit_id,
        targets.target,
        row_number() over (
            partition by spine.period_start, spine.kpi_id, spine.org_unit_id
            order by
                case when targets.org_unit_id = '*' then 1 else 0 end,
                targets.valid_from desc
        ) as priority
    from spine
    inner join {{ ref('kpi_targets') }} as targets
        on
            spine.kpi_id = targets.kpi_id
            and (spine.org_unit_id = targets.org_unit_id or targets.org_unit_id = '*')
            and targets.valid_from <= spine.period_end
    where spine.employment_line = 'employee'
),

joined as (
    select
        spine.*,
        targets.target,
        given.above as given_above,
        given.below as given_below,
        given.lower,
        given.upper,
        given.kpi_id is not null as is_given,
        coalesce(given.numerator, rolled_up.numerator) as numerator,
        coalesce(given.denominator, rolled_up.denominator) as denominator,
        coalesce(
            given.people,
            rolled_up.people,
            -- an outcome is no person's: the unit's headcount stands for it
            case
                when
                    spine.kpi_id in (
                        'performance_improvement',
                        'sponsor_visible_weeks',
                        'commitments_closed_on_time'
                    )
                    then headcount.people
            end,
            0
        ) as people,
        case
            when
                coalesce(delivered.activity, 0) = 0
                and spine.kpi_id in (
                    'active_learner_rate',
                    'active_learner_rate_total',
                    'seat_use',
                    'idle_seat_cost'
                )
                then 'no activity delivered'
            when
                coalesce(delivered.enrolments, 0) = 0
                and spine.kpi_id in (
                    'on_time_completion_rate',
                    'mandatory_overdue_today',
                    'mandatory_short_notice',
                    'elective_completion_rate',
                    'adoption_velocity',
                    'adoption_velocity_mandatory',
                    'leaders_flagship_completed'
                )
                then 'no enrolments delivered'
            when
                coalesce(delivered.assessments, 0) = 0
                and spine.kpi_id in (
                    'time_to_competency', 'competency_by_day_90', 'competency_at_risk'
                )
                then 'no assessments delivered'
            when
                coalesce(delivered.certifications, 0) = 0
                and spine.kpi_id in ('certification_rate', 'certifications_lapsing_60d')
                then 'no certifications delivered'
            when given.kpi_id is not null then given.reason
            when coalesce(rolled_up.denominator, 0) = 0
                then
                    case
                        when
                            spine.kpi_id in (
                                'on_time_completion_rate',
                                'mandatory_short_notice',
                                'elective_completion_rate'
                            )
                            then 'nothing due'
                        when spine.kpi_id = 'mandatory_overdue_today'
                            then 'no mandatory enrolments'
                        when spine.kpi_id = 'certification_rate' then 'nothing required'
                        when spine.kpi_id = 'certifications_lapsing_60d'
                            then 'no valid certificates'
                        when
                            spine.kpi_id in (
                                'time_to_competency', 'competency_by_day_90', 'competency_at_risk'
                            )
                            then 'no clock started'
                        when spine.kpi_id = 'performance_improvement' then 'no outcome reported'
                        when spine.kpi_id = 'sponsor_visible_weeks' then 'no sponsor named'
                        when spine.kpi_id = 'leaders_flagship_completed' then 'no leaders named'
                        when spine.kpi_id = 'commitments_closed_on_time' then 'no record'
                        else 'nobody eligible'
                    end
        end as no_data_reason
    from spine
    left join delivered on spine.period_start = delivered.period_start
    left join given
        on
            spine.period_start = given.period_start
            and spine.kpi_id = given.kpi_id
            and spine.org_unit_id = given.org_unit_id
            and spine.employment_line = given.employment_line
    left join rolled_up
        on
            spine.period_start = rolled_up.period_start
            and spine.kpi_id = rolled_up.kpi_id
            and spine.org_unit_id = rolled_up.org_unit_id
            and spine.employment_line = rolled_up.employment_line
    left join rolled_up as headcount
        on
            spine.period_start = headcount.period_start
            and headcount.kpi_id = 'active_learner_rate'
            and spine.org_unit_id = headcount.org_unit_id
            and spine.employment_line = headcount.employment_line
    left join targets
        on
            spine.period_start = targets.period_start
            and spine.kpi_id = targets.kpi_id
            and spine.org_unit_id = targets.org_unit_id
            and targets.priority = 1
),

scaled as (
    select
        joined.*,
        case
            when is_given then given_above
            when unit = 'percent' or unit = 'per_100' then {{ ten_thousandths('100 * numerator') }}
            else {{ ten_thousandths('numerator') }}
        end as above,
        case
            when is_given then given_below
            when (unit = 'percent' or unit = 'per_100') and denominator > 0
                then {{ ten_thousandths('denominator') }}
            else {{ whole('10000') }}
        end as below
    from joined
)

select
    period_start,
    period_end,
    kpi_id,
    org_unit_id,
    employment_line,
    {{ amount('numerator') }} as numerator,
    {{ amount('denominator') }} as denominator,
    case when no_data_reason is null then {{ rounded_quotient('above', 'below', 'places') }} end
        as value,
    case when no_data_reason is null then {{ amount('lower') }} end as lower,
    case when no_data_reason is null then {{ amount('upper') }} end as upper,
    {{ amount('target') }} as target,
    cast(people as bigint) as people,
    no_data_reason
from scaled
{%- endmacro %}
