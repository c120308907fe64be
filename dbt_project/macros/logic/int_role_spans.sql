{# Since when and until when people held each role for a unit, as known at the period's
   end. Rows of the charter that follow on one another (a new deputy, say) are one span; so are
   versions of a unit that name the same sponsor. Until is the first day no longer in the role. #}
{% macro int_role_spans(grain) -%}
with

roots as (
    select
        tree.period_start,
        min(tree.org_unit_id) as org_unit_id
    from {{ of_grain('int_org_tree', grain) }} as tree
    where tree.depth = 0
    group by tree.period_start
),

stated as (
    select
        periods.period_start,
        roles.role,
        case when roles.org_unit_id = '*' then roots.org_unit_id else roles.org_unit_id end
            as org_unit_id,
        roles.person_id,
        1 as by_charter,
        roles.valid_from,
        coalesce(roles.valid_to, date '9999-12-31') as valid_to
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join roots on periods.period_start = roots.period_start
    inner join {{ ref('governance_roles') }} as roles
        on roles.valid_from <= periods.period_end
    union all
    select
        periods.period_start,
        'sponsor' as role,
        units.org_unit_id,
        units.sponsor_person_id as person_id,
        0 as by_charter,
        units.valid_from,
        coalesce(units.valid_to, date '9999-12-31') as valid_to
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('stg_lake__org_units') }} as units
        on units.valid_from <= periods.period_end
    where units.sponsor_person_id is not null
),

followed as (
    select
        stated.*,
        max(stated.valid_to) over (
            partition by
                stated.period_start,
                stated.role,
                stated.org_unit_id,
                stated.person_id,
                stated.by_charter
            order by stated.valid_from
            rows between unbounded preceding and 1 preceding
        ) as held_until
    from stated
),

numbered as (
    select
        followed.*,
        sum(case when followed.held_until >= followed.valid_from then 0 else 1 end) over (
            partition by
                followed.period_start,
                followed.role,
                followed.org_unit_id,
                followed.person_id,
                followed.by_charter
            order by followed.valid_from
            rows between unbounded preceding and current row
        ) as span
    from followed
)

select
    numbered.period_start,
    numbered.role,
    numbered.org_unit_id,
    numbered.person_id,
    numbered.by_charter = 1 as is_by_charter,
    min(numbered.valid_from) as held_from,
    max(numbered.valid_to) as held_until
from numbered
group by
    numbered.period_start,
    numbered.role,
    numbered.org_unit_id,
    numbered.person_id,
    numbered.by_charter,
    numbered.span
{%- endmacro %}
