{# Commitments whose first due date lies in the period, and whether they were closed by it. One
   withdrawn by that date is left out, one withdrawn later was missed. #}
{% macro fct_commitments(grain) -%}
select
    log.period_start,
    log.entry_id,
    log.counts_in_org_unit_id as org_unit_id,
    log.owner_person_id,
    log.first_due_on,
    log.closed_on,
    log.withdrawn_on,
    case when log.withdrawn_on <= log.first_due_on then 0 else 1 end as in_denominator,
    case when log.closed_on_time = 1 then 1 else 0 end as in_numerator
from {{ of_grain('decision_log', grain) }} as log
inner join {{ of_grain('stg_control__periods', grain) }} as periods
    on log.period_start = periods.period_start
where
    log.kind = 'commitment'
    and log.first_due_on between periods.period_start and periods.period_end
{%- endmacro %}
