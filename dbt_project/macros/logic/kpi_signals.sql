{#
    Process behaviour charts (XmR) of every KPI series: which points a chart of the period holds,
    its mean and natural process limits, which run rules the period's own point completes, and the
    two marks that follow (variation and assurance).

    A chart of a period holds the known points up to and including it, since the last process
    change that reaches the unit. Points without a value are left out: runs and moving ranges go
    from one known point to the next. Mean and 2.66 x mean moving range are each rounded to four
    decimals; the limits are their exact difference and sum.
#}
{% macro kpi_signals(grain) -%}
{%- set least_points = 12 -%}
{%- set most_rules = 8 -%}
{%- set day_one = "cast('0001-01-01' as date)" -%}
with

periods as (
    select * from {{ of_grain('stg_control__periods', grain) }}
),

units as (
    select distinct
        tree.period_start,
        tree.org_unit_id,
        tree.depth
    from {{ of_grain('int_org_tree', grain) }} as tree
),

-- the newest version of each rule that is in force at the end of the period
rules as (
    select *
    from (
        select
            periods.period_start,
            signal_rules.rule_id,
            signal_rules.length,
            signal_rules.of_length,
            signal_rules.zone,
            row_number() over (
                partition by periods.period_start, signal_rules.rule_id
                order by signal_rules.valid_from desc
            ) as recency
        from periods
        inner join {{ ref('signal_rules') }} as signal_rules
            on signal_rules.valid_from <= periods.period_end
    ) as versions
    where versions.recency = 1
),

-- process changes as known at the end of the period; each starts a chart anew in its own period
changes as (
    select
        periods.period_start,
        initiatives.org_unit_id,
        max({{ start_of(grain, 'initiatives.starts_on') }}) as changed_on
    from periods
    inner join {{ ref('stg_lake__initiatives') }} as initiatives
        on
            {{ holds_on('initiatives', 'periods.period_end') }}
            and initiatives.kind = 'process_change'
            and initiatives.starts_on <= periods.period_end
    group by periods.period_start, initiatives.org_unit_id
),

unit_changes as (
    select
        tree.period_start,
        tree.org_unit_id,
        max(changes.changed_on) as changed_on
    from {{ of_grain('int_org_tree', grain) }} as tree
    inner join changes
        on
            tree.period_start = changes.period_start
            and (
                changes.org_unit_id is null
                or changes.org_unit_id = '*'
                or changes.org_unit_id = tree.ancestor_id
            )
    group by tree.period_start, tree.org_unit_id
),

built as (
    select
        figures.period_start,
        figures.kpi_id,
        figures.org_unit_id,
        figures.employment_line,
        figures.value,
        figures.target,
        catalogue.unit,
        catalogue.direction,
        catalogue.chart_basis as basis,
        unit_changes.changed_on,
        coalesce(unit_changes.changed_on, {{ day_one }}) as chart_from,
        coalesce(units.depth = 0, false) as is_whole
    from {{ of_grain('kpi_values', grain) }} as figures
    inner join {{ of_grain('kpi_catalogue', grain) }} as catalogue
        on
            figures.period_start = catalogue.period_start
            and figures.kpi_id = catalogue.kpi_id
    left join units
        on
            figures.period_start = units.period_start
            and figures.org_unit_id = units.org_unit_id
    left join unit_changes
        on
            figures.period_start = unit_changes.period_start
            and figures.org_unit_id = unit_changes.org_unit_id
),

-- what was published, where this build does not make the period anew
levels as (
    select
        figures.period_start,
        figures.kpi_id,
        figures.org_unit_id,
        figures.employment_line,
        figures.value
    from {{ of_grain('kpi_values', grain) }} as figures
    where figures.value is not null
    union all
    select
        history.period_start,
        history.kpi_id,
        history.org_unit_id,
        history.employment_line,
        history.value
    from {{ of_grain('stg_published__kpi_values', grain) }} as history
    left join periods on history.period_start = periods.period_start
    where
        periods.period_start is null
        and history.value is not null
),

other_bases as (
    select distinct
        built.kpi_id,
        built.basis
    from built
    where built.basis <> 'level'
),

charted as (
    select
        levels.period_start,
        levels.kpi_id,
        levels.org_unit_id,
        levels.employment_line,
        'level' as basis,
        levels.value as charted_value
    from levels
    union all
    select
        levels.period_start,
        levels.kpi_id,
        levels.org_unit_id,
        levels.employment_line,
        other_bases.basis,
        cast(levels.value - earlier.value as decimal(18, 4)) as charted_value
    from levels
    inner join other_bases on levels.kpi_id = other_bases.kpi_id
    inner join levels as earlier
        on
            levels.kpi_id = earlier.kpi_id
            and levels.org_unit_id = earlier.org_unit_id
            and levels.employment_line = earlier.employment_line
            and earlier.period_start = case
                when other_bases.basis = 'net_gain'
                    then {{ _period_before('levels.period_start', grain) }}
                else {{ _period_last_year('levels.period_start', grain) }}
            end
),

known as (
    select
        charted.*,
        row_number() over chart as position,
        lag(charted.charted_value) over chart as previous_value,
        lag(charted.period_start) over chart as previous_start
    from charted
    window
        chart as (
            partition by
                charted.kpi_id, charted.org_unit_id, charted.employment_line, charted.basis
            order by charted.period_start
        )
),

sums as (
    select
        built.period_start,
        built.kpi_id,
        built.org_unit_id,
        built.employment_line,
        count(*) as points,
        min(known.position) as first_position,
        max(known.position) as last_position,
        max(case when known.period_start = built.period_start then known.charted_value end)
            as charted_value,
        sum(known.charted_value) as total,
        sum(
            case
                when known.previous_start >= built.chart_from
                    then abs(known.charted_value - known.previous_value)
            end
        ) as total_range
    from built
    inner join known
        on
            built.kpi_id = known.kpi_id
            and built.org_unit_id = known.org_unit_id
            and built.employment_line = known.employment_line
            and built.basis = known.basis
            and known.period_start >= built.chart_from
            and known.period_start <= built.period_start
    group by
        built.period_start, built.kpi_id, built.org_unit_id, built.employment_line
),

charts as (
    select
        built.*,
        sums.charted_value,
        sums.last_position,
        coalesce(sums.points, 0) as points,
        -- a change that leaves no point out is not worth a mention
        case when coalesce(sums.first_position, 2) > 1 then built.changed_on end as rebased_on,
        case
            when sums.points >= {{ least_points }}
                then {{ rounded_quotient(ten_thousandths("sums.total"), "(10000 * sums.points)", 4) }}
        end as mean,
        case
            when sums.points >= {{ least_points }}
                then {{ rounded_quotient(
                    "266 * " ~ ten_thousandths("sums.total_range"),
                    "(1000000 * (sums.points - 1))",
                    4
                ) }}
        end as spread
    from built
    left join sums
        on
            built.period_start = sums.period_start
            and built.kpi_id = sums.kpi_id
            and built.org_unit_id = sums.org_unit_id
            and built.employment_line = sums.employment_line
),

limits as (
    select
        charts.*,
        -- a level has natural bounds that limits need not pass; a change may be negative
        case
            when
                charts.basis = 'level'
                and charts.unit <> 'index_change'
                and charts.mean - charts.spread < 0
                then 0
            else charts.mean - charts.spread
        end as lower_limit,
        case
            when
                charts.basis = 'level'
                and charts.unit = 'percent'
                and charts.mean + charts.spread > 100
                then 100
            else charts.mean + charts.spread
        end as upper_limit
    from charts
),

-- for every rule: how many of its last points lie beyond its zone, or go up or down
patterns as (
    select
        limits.period_start,
        limits.kpi_id,
        limits.org_unit_id,
        limits.employment_line,
        rules.rule_id,
        rules.length,
        rules.zone,
        sum(
            case
                when 3 * (known.charted_value - limits.mean) > rules.zone * limits.spread then 1
                else 0
            end
        ) as above,
        sum(
            case
                when 3 * (limits.mean - known.charted_value) > rules.zone * limits.spread then 1
                else 0
            end
        ) as below,
        sum(
            case
                when
                    known.position > limits.last_position - rules.length + 1
                    and known.previous_start >= limits.chart_from
                    and known.charted_value > known.previous_value
                    then 1
                else 0
            end
        ) as rises,
        sum(
            case
                when
                    known.position > limits.last_position - rules.length + 1
                    and known.previous_start >= limits.chart_from
                    and known.charted_value < known.previous_value
                    then 1
                else 0
            end
        ) as falls,
        max(3 * (limits.charted_value - limits.mean)) as thrice_distance,
        max(rules.zone * limits.spread) as thrice_reach
    from limits
    inner join rules
        on
            limits.period_start = rules.period_start
            -- a table of many units would signal by chance: rules of one point only
            and (limits.is_whole or rules.of_length = 1)
    inner join known
        on
            limits.kpi_id = known.kpi_id
            and limits.org_unit_id = known.org_unit_id
            and limits.employment_line = known.employment_line
            and limits.basis = known.basis
            and known.position > limits.last_position - rules.of_length
            and known.position <= limits.last_position
            and known.period_start >= limits.chart_from
    where
        limits.mean is not null
        and limits.charted_value is not null
        and limits.direction <> 'none'
    group by
        limits.period_start,
        limits.kpi_id,
        limits.org_unit_id,
        limits.employment_line,
        rules.rule_id,
        rules.length,
        rules.zone
),

sides as (
    select
        patterns.*,
        case
            when patterns.zone is null and patterns.rises >= patterns.length - 1 then 'high'
            when patterns.zone is null and patterns.falls >= patterns.length - 1 then 'low'
            when
                patterns.above >= patterns.length
                and patterns.thrice_distance > patterns.thrice_reach
                then 'high'
            when
                patterns.below >= patterns.length
                and -patterns.thrice_distance > patterns.thrice_reach
                then 'low'
        end as side,
        -- the rule that reaches farthest decides, where rules point to different sides
        coalesce(patterns.zone, -1) as reach
    from patterns
),

fired as (
    select
        sides.*,
        first_value(sides.side) over (
            partition by
                sides.period_start, sides.kpi_id, sides.org_unit_id, sides.employment_line
            order by sides.reach desc, sides.rule_id asc
        ) as deciding_side
    from sides
    where sides.side is not null
),

named as (
    select
        fired.*,
        row_number() over (
            partition by
                fired.period_start, fired.kpi_id, fired.org_unit_id, fired.employment_line
            order by fired.reach desc, fired.rule_id asc
        ) as place
    from fired
    where fired.side = fired.deciding_side
),

signals as (
    select
        named.period_start,
        named.kpi_id,
        named.org_unit_id,
        named.employment_line,
        max(named.side) as side,
        -- the charter holds no more than {{ most_rules }} rules
        concat_ws(
            ',',
            {%- for place in range(1, most_rules + 1) %}
            max(case when named.place = {{ place }} then named.rule_id end)
            {{- "," if not loop.last }}
            {%- endfor %}
        ) as rules
    from named
    group by
        named.period_start, named.kpi_id, named.org_unit_id, named.employment_line
),

-- limits of changes say nothing about a target for the level: there, the record speaks
target_record as (
    select
        limits.period_start,
        limits.kpi_id,
        limits.org_unit_id,
        limits.employment_line,
        count(*) as points,
        sum(
            case
                when limits.direction = 'up' and known.charted_value >= limits.target then 1
                when limits.direction = 'down' and known.charted_value <= limits.target then 1
                else 0
            end
        ) as met
    from limits
    inner join known as latest
        on
            limits.kpi_id = latest.kpi_id
            and limits.org_unit_id = latest.org_unit_id
            and limits.employment_line = latest.employment_line
            and limits.period_start = latest.period_start
            and latest.basis = 'level'
    inner join known
        on
            limits.kpi_id = known.kpi_id
            and limits.org_unit_id = known.org_unit_id
            and limits.employment_line = known.employment_line
            and known.basis = 'level'
            and known.position > latest.position - {{ least_points }}
            and known.position <= latest.position
            and known.period_start >= limits.chart_from
    where
        limits.basis <> 'level'
        and limits.target is not null
    group by
        limits.period_start, limits.kpi_id, limits.org_unit_id, limits.employment_line
)

select
    limits.period_start,
    limits.kpi_id,
    limits.org_unit_id,
    limits.employment_line,
    limits.basis,
    cast(limits.points as bigint) as points,
    cast(limits.charted_value as decimal(18, 4)) as charted_value,
    cast(limits.mean as decimal(18, 4)) as mean,
    cast(limits.lower_limit as decimal(18, 4)) as lower_limit,
    cast(limits.upper_limit as decimal(18, 4)) as upper_limit,
    case
        when limits.charted_value is null then 'no_data'
        when limits.points < {{ least_points }} then 'too_few_points'
        when signals.side is null then 'ordinary'
        when signals.side = 'high' and limits.direction = 'up' then 'improving'
        when signals.side = 'low' and limits.direction = 'down' then 'improving'
        else 'concerning'
    end as variation,
    case
        when limits.value is null then 'no_data'
        when limits.target is null or limits.direction = 'none' then 'no_target'
        when limits.basis = 'level' and limits.points < {{ least_points }} then 'too_few_points'
        when limits.basis <> 'level' and target_record.points < {{ least_points }}
            then 'too_few_points'
        when limits.basis <> 'level' and target_record.met = target_record.points
            then 'consistently_met'
        when limits.basis <> 'level' and target_record.met = 0 then 'consistently_missed'
        when limits.basis <> 'level' then 'hit_and_miss'
        when limits.direction = 'up' and limits.lower_limit >= limits.target
            then 'consistently_met'
        when limits.direction = 'up' and limits.upper_limit < limits.target
            then 'consistently_missed'
        when limits.direction = 'down' and limits.upper_limit <= limits.target
            then 'consistently_met'
        when limits.direction = 'down' and limits.lower_limit > limits.target
            then 'consistently_missed'
        else 'hit_and_miss'
    end as assurance,
    signals.rules,
    limits.rebased_on
from limits
left join signals
    on
        limits.period_start = signals.period_start
        and limits.kpi_id = signals.kpi_id
        and limits.org_unit_id = signals.org_unit_id
        and limits.employment_line = signals.employment_line
left join target_record
    on
        limits.period_start = target_record.period_start
        and limits.kpi_id = target_record.kpi_id
        and limits.org_unit_id = target_record.org_unit_id
        and limits.employment_line = target_record.employment_line
{%- endmacro %}

{% macro _period_before(period_start, grain) -%}
    {%- if grain == 'week' -%} {{ add_days(period_start, -7) }}
    {%- elif grain == 'month' -%} {{ add_months(period_start, -1) }}
    {%- else -%} {{ add_months(period_start, -3) }}
    {%- endif -%}
{%- endmacro %}

{# The same month or quarter a year before; of a week, the week 52 weeks before. #}
{% macro _period_last_year(period_start, grain) -%}
    {%- if grain == 'week' -%} {{ add_days(period_start, -364) }}
    {%- else -%} {{ add_months(period_start, -12) }}
    {%- endif -%}
{%- endmacro %}
