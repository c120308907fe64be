{# The Kaplan-Meier curve of each unit: one row a day on which a clock ended. The band is the
   exponential Greenwood (log-log) 95 % band, as lifelines' KaplanMeierFitter gives it. #}
{% macro int_competency_survival(grain) -%}
with

ends as (
    select
        clocks.period_start,
        tree.ancestor_id as org_unit_id,
        clocks.employment_line,
        clocks.duration_days,
        cast(sum(clocks.has_passed) as bigint) as passed,
        cast(count(*) as bigint) as ended
    from {{ of_grain('fct_competency_clocks', grain) }} as clocks
    inner join {{ of_grain('int_org_tree', grain) }} as tree
        on
            clocks.period_start = tree.period_start
            and clocks.org_unit_id = tree.org_unit_id
    group by
        clocks.period_start, tree.ancestor_id, clocks.employment_line, clocks.duration_days
),

at_risk as (
    select
        ends.*,
        cast(
            sum(ends.ended) over (
                partition by ends.period_start, ends.org_unit_id, ends.employment_line
                order by ends.duration_days desc
                rows between unbounded preceding and current row
            ) as bigint
        ) as at_risk
    from ends
),

steps as (
    select
        at_risk.*,
        case
            when at_risk.passed < at_risk.at_risk
                then ln(at_risk.at_risk - at_risk.passed) - ln(at_risk.at_risk)
            else 0.0
        end as log_step,
        case
            when at_risk.passed < at_risk.at_risk
                then
                    cast(at_risk.passed as double)
                    / (cast(at_risk.at_risk as double) * (at_risk.at_risk - at_risk.passed))
            else 0.0
        end as variance_step,
        case when at_risk.passed = at_risk.at_risk then 1 else 0 end as is_last
    from at_risk
),

sums as (
    select
        steps.*,
        sum(steps.log_step) over curve as log_survival,
        sqrt(sum(steps.variance_step) over curve) as deviation,
        max(steps.is_last) over curve as is_empty
    from steps
    window curve as (
        partition by steps.period_start, steps.org_unit_id, steps.employment_line
        order by steps.duration_days
        rows between unbounded preceding and current row
    )
)

select
    period_start,
    org_unit_id,
    employment_line,
    duration_days,
    passed,
    ended - passed as censored,
    at_risk,
    {# threads add up logarithms in any order: the last digits differ from build to build -#}
    round(case when is_empty = 1 then 0.0 else exp(log_survival) end, 12) as survival,
    round(case
        when is_empty = 1 then 0.0
        when log_survival = 0 then 1.0
        else exp(-exp(ln(-log_survival) - 1.959963984540054 * deviation / log_survival))
    end, 12) as survival_lower,
    round(case
        when is_empty = 1 then 0.0
        when log_survival = 0 then 1.0
        else exp(-exp(ln(-log_survival) + 1.959963984540054 * deviation / log_survival))
    end, 12) as survival_upper
from sums
{%- endmacro %}
