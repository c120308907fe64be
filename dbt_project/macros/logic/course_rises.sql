{# First completions of each course in the week, against the natural process limit of the twelve
   weeks before (mean + 2.66 x mean moving range). Mandatory courses follow their assignments and
   never count as a rise. #}
{% macro course_rises(grain) -%}
{%- set weeks_before = 12 -%}
{%- set least_completions = 3 -%}
with

numbers as (
{%- for number in range(1, weeks_before + 1) %}
    select {{ number }} as back
{%- if not loop.last %}
    union all
{%- endif %}
{%- endfor %}
),

firsts as (
    select
        enrolments.person_id,
        enrolments.course_id,
        min(enrolments.completed_on) as completed_on
    from {{ of_grain('int_enrolments', grain) }} as enrolments
    where enrolments.completed_on is not null
    group by enrolments.person_id, enrolments.course_id
),

by_week as (
    select
        firsts.course_id,
        {{ start_of('week', 'firsts.completed_on') }} as week_start,
        count(*) as completions
    from firsts
    group by firsts.course_id, {{ start_of('week', 'firsts.completed_on') }}
),

now as (
    select
        periods.period_start,
        by_week.course_id,
        by_week.completions
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join by_week on periods.period_start = by_week.week_start
),

earlier as (
    select
        now.period_start,
        now.course_id,
        min(before.week_start) as first_week_start
    from now
    left join by_week as before
        on now.course_id = before.course_id and before.week_start < now.period_start
    group by now.period_start, now.course_id
),

history as (
    select
        now.period_start,
        now.course_id,
        numbers.back,
        coalesce(by_week.completions, 0) as completions
    from now
    cross join numbers
    left join by_week
        on
            now.course_id = by_week.course_id
            and by_week.week_start = {{ add_days('now.period_start', '-7 * numbers.back') }}
),

ranges as (
    select
        history.*,
        abs(
            history.completions
            - lag(history.completions) over (
                partition by history.period_start, history.course_id
                order by history.back
            )
        ) as moving_range
    from history
),

sums as (
    select
        ranges.period_start,
        ranges.course_id,
        {{ whole('sum(ranges.completions)') }} as total,
        {{ whole('sum(ranges.moving_range)') }} as total_range
    from ranges
    group by ranges.period_start, ranges.course_id
),

charts as (
    select
        now.period_start,
        now.course_id,
        courses.title,
        coalesce(courses.is_mandatory, false) as is_mandatory,
        now.completions,
        case when earlier.first_week_start is null then 1 else 0 end as first_ever,
        -- under twelve weeks there is nothing to compare with
        case
            when
                coalesce(courses.published_on, earlier.first_week_start)
                <= {{ add_days('now.period_start', -7 * weeks_before) }}
                then {{ rounded_quotient('sums.total', weeks_before | string, 4) }}
        end as mean,
        {{ rounded_quotient(
            "(266 * sums.total_range)", (100 * (weeks_before - 1)) | string, 4
        ) }} as spread
    from now
    inner join earlier
        on now.period_start = earlier.period_start and now.course_id = earlier.course_id
    inner join sums
        on now.period_start = sums.period_start and now.course_id = sums.course_id
    left join {{ of_grain('int_courses', grain) }} as courses
        on now.period_start = courses.period_start and now.course_id = courses.course_id
)

select
    charts.period_start,
    charts.course_id,
    charts.title,
    charts.is_mandatory,
    cast(charts.completions as bigint) as completions,
    charts.mean,
    {{ amount('charts.mean + charts.spread') }} as upper,
    case
        when
            not charts.is_mandatory
            and charts.completions >= {{ least_completions }}
            and charts.completions > charts.mean + charts.spread
            then 1
        else 0
    end as is_rise,
    charts.first_ever
from charts
{%- endmacro %}
