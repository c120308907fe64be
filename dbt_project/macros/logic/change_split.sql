{# The change of a rate since the quarter before, split over the units that people belong to.

   mix: change of the unit's share of the denominator, times its average rate against the whole's;
   rate: its average share, times the change of its rate. Averages are those of the two quarters
   (midpoints), so that both parts of all units add up to the change. Where a unit stood in one
   quarter only, all of its part is mix. A unit's part is what it counts itself, without the units
   beneath it: so no person counts twice and nobody is left out. #}
{% macro change_split(grain) -%}
{%- set kpis = [
    'active_learner_rate',
    'active_learner_rate_total',
    'on_time_completion_rate',
    'certification_rate',
] -%}
with

periods as (
    select
        period_start,
        period_end,
        previous_start,
        {{ add_days('period_start', -1) }} as previous_end
    from {{ of_grain('stg_control__periods', grain) }}
),

-- of the quarter before: this build's figures, else those published
published as (
    select
        figures.period_start,
        figures.kpi_id,
        figures.org_unit_id,
        figures.employment_line,
        figures.numerator,
        figures.denominator,
        figures.no_data_reason
    from {{ of_grain('kpi_values', grain) }} as figures
    union all
    select
        history.period_start,
        history.kpi_id,
        history.org_unit_id,
        history.employment_line,
        history.numerator,
        history.denominator,
        history.no_data_reason
    from {{ of_grain('stg_published__kpi_values', grain) }} as history
    left join periods on history.period_start = periods.period_start
    where periods.period_start is null
),

figures as (
    select
        published.period_start,
        published.kpi_id,
        published.org_unit_id,
        published.numerator,
        published.denominator
    from published
    where
        published.employment_line = 'employee'
        and published.denominator > 0
        and published.no_data_reason is null
        and published.kpi_id in (
{%- for kpi in kpis %}
            '{{ kpi }}'{{ "," if not loop.last }}
{%- endfor %}
        )
),

sides as (
    select
        periods.period_start,
        periods.period_start as of_period,
        periods.period_end as of_day,
        1 as is_now
    from periods
    union all
    select
        periods.period_start,
        periods.previous_start as of_period,
        periods.previous_end as of_day,
        0 as is_now
    from periods
),

counted as (
    select
        sides.period_start,
        sides.is_now,
        figures.kpi_id,
        figures.org_unit_id,
        units.parent_org_unit_id,
        figures.numerator,
        figures.denominator
    from sides
    inner join figures on sides.of_period = figures.period_start
    left join {{ ref('stg_lake__org_units') }} as units
        on
            figures.org_unit_id = units.org_unit_id
            and {{ holds_on('units', 'sides.of_day') }}
),

beneath as (
    select
        counted.period_start,
        counted.is_now,
        counted.kpi_id,
        counted.parent_org_unit_id as org_unit_id,
        sum(counted.numerator) as numerator,
        sum(counted.denominator) as denominator
    from counted
    where counted.parent_org_unit_id is not null
    group by
        counted.period_start,
        counted.is_now,
        counted.kpi_id,
        counted.parent_org_unit_id
),

wholes as (
    select
        counted.period_start,
        counted.kpi_id,
        sum(case when counted.is_now = 0 then counted.numerator end) as numerator_0,
        sum(case when counted.is_now = 0 then counted.denominator end) as denominator_0,
        sum(case when counted.is_now = 1 then counted.numerator end) as numerator_1,
        sum(case when counted.is_now = 1 then counted.denominator end) as denominator_1
    from counted
    where counted.parent_org_unit_id is null
    group by counted.period_start, counted.kpi_id
),

own as (
    select
        counted.period_start,
        counted.kpi_id,
        counted.org_unit_id,
        counted.is_now,
        counted.numerator - coalesce(beneath.numerator, 0) as numerator,
        counted.denominator - coalesce(beneath.denominator, 0) as denominator
    from counted
    left join beneath
        on
            counted.period_start = beneath.period_start
            and counted.is_now = beneath.is_now
            and counted.kpi_id = beneath.kpi_id
            and counted.org_unit_id = beneath.org_unit_id
),

pairs as (
    select
        own.period_start,
        own.kpi_id,
        own.org_unit_id,
        cast(sum(case when own.is_now = 0 then own.numerator else 0 end) as double) as numerator_0,
        cast(sum(case when own.is_now = 0 then own.denominator else 0 end) as double)
            as denominator_0,
        cast(sum(case when own.is_now = 1 then own.numerator else 0 end) as double) as numerator_1,
        cast(sum(case when own.is_now = 1 then own.denominator else 0 end) as double)
            as denominator_1
    from own
    group by own.period_start, own.kpi_id, own.org_unit_id
),

rates as (
    select
        wholes.period_start,
        wholes.kpi_id,
        pairs.org_unit_id,
        cast(wholes.numerator_0 as double) / wholes.denominator_0 as whole_0,
        cast(wholes.numerator_1 as double) / wholes.denominator_1 as whole_1,
        pairs.denominator_0 / wholes.denominator_0 as share_0,
        pairs.denominator_1 / wholes.denominator_1 as share_1,
        case
            when pairs.denominator_0 > 0 then pairs.numerator_0 / pairs.denominator_0
            else pairs.numerator_1 / pairs.denominator_1
        end as rate_0,
        case
            when pairs.denominator_1 > 0 then pairs.numerator_1 / pairs.denominator_1
            else pairs.numerator_0 / pairs.denominator_0
        end as rate_1
    from wholes
    inner join pairs
        on wholes.period_start = pairs.period_start and wholes.kpi_id = pairs.kpi_id
    where
        wholes.denominator_0 > 0
        and wholes.denominator_1 > 0
        and (pairs.denominator_0 > 0 or pairs.denominator_1 > 0)
),

-- rounded before they are summed: a sum of fractions depends on its order
parts as (
    select
        rates.period_start,
        rates.kpi_id,
        rates.org_unit_id,
        case when rates.share_0 > 0 then rates.rate_0 end as before,
        case when rates.share_1 > 0 then rates.rate_1 end as now,
        cast(
            round(
                100
                * (rates.share_1 - rates.share_0)
                * (rates.rate_0 + rates.rate_1 - rates.whole_0 - rates.whole_1)
                / 2,
                8
            ) as decimal(18, 8)
        ) as mix,
        cast(
            round(
                100 * (rates.share_0 + rates.share_1) * (rates.rate_1 - rates.rate_0) / 2, 8
            ) as decimal(18, 8)
        ) as rate
    from rates
),

mixes as (
    select
        parts.period_start,
        parts.kpi_id,
        {{ amount('sum(parts.mix)') }} as mix
    from parts
    group by parts.period_start, parts.kpi_id
),

totals as (
    select
        wholes.period_start,
        wholes.kpi_id,
        {{ amount('round(100 * cast(wholes.numerator_0 as double) / wholes.denominator_0, 4)') }}
            as before,
        {{ amount('round(100 * cast(wholes.numerator_1 as double) / wholes.denominator_1, 4)') }}
            as now
    from wholes
    where wholes.denominator_0 > 0 and wholes.denominator_1 > 0
)

select
    totals.period_start,
    totals.kpi_id,
    '' as org_unit_id,
    totals.before,
    totals.now,
    mixes.mix,
    -- what the last digit of the parts leaves over
    {{ amount('totals.now - totals.before - mixes.mix') }} as rate
from totals
inner join mixes on totals.period_start = mixes.period_start and totals.kpi_id = mixes.kpi_id
union all
select
    parts.period_start,
    parts.kpi_id,
    parts.org_unit_id,
    {{ amount('round(100 * parts.before, 4)') }} as before,
    {{ amount('round(100 * parts.now, 4)') }} as now,
    {{ amount('parts.mix') }} as mix,
    {{ amount('parts.rate') }} as rate
from parts
{%- endmacro %}
