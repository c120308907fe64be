{# Who holds which role at the period's end, and who deputises, resolved through people. A unit's
   own sponsor is added where the charter names none. #}
{% macro governance(grain) -%}
with

units as (
    select
        tree.period_start,
        tree.org_unit_id,
        tree.depth,
        units.sponsor_person_id
    from {{ of_grain('int_org_tree', grain) }} as tree
    inner join {{ of_grain('stg_control__periods', grain) }} as periods
        on tree.period_start = periods.period_start
    left join {{ ref('stg_lake__org_units') }} as units
        on
            tree.org_unit_id = units.org_unit_id
            and {{ holds_on('units', 'periods.period_end') }}
    where tree.distance = 0
),

named as (
    select
        periods.period_start,
        roles.role,
        units.org_unit_id,
        roles.person_id,
        max(roles.deputy_person_id) as deputy_person_id
    from {{ of_grain('stg_control__periods', grain) }} as periods
    inner join {{ ref('governance_roles') }} as roles
        on {{ holds_on('roles', 'periods.period_end') }}
    inner join units
        on
            periods.period_start = units.period_start
            and (
                roles.org_unit_id = units.org_unit_id
                or (roles.org_unit_id = '*' and units.depth = 0)
            )
    group by periods.period_start, roles.role, units.org_unit_id, roles.person_id
),

holders as (
    select
        named.period_start,
        named.role,
        named.org_unit_id,
        named.person_id,
        named.deputy_person_id
    from named
    union all
    select
        units.period_start,
        'sponsor' as role,
        units.org_unit_id,
        units.sponsor_person_id as person_id,
        cast(null as string) as deputy_person_id
    from units
    left join named
        on
            units.period_start = named.period_start
            and units.org_unit_id = named.org_unit_id
            and named.role = 'sponsor'
    where units.sponsor_person_id is not null and named.role is null
),

people as (
    select
        people.*,
        (people.hired_on is null or people.hired_on <= people.period_end)
        and (people.left_on is null or people.left_on > people.period_end) as is_active
    from {{ of_grain('int_people', grain) }} as people
)

select
    holders.period_start,
    holders.role,
    holders.org_unit_id,
    holders.person_id,
    people.full_name,
    people.email,
    coalesce(people.is_active, false) as is_active,
    holders.deputy_person_id,
    deputies.full_name as deputy_name,
    deputies.email as deputy_email,
    coalesce(deputies.is_active, false) as deputy_is_active
from holders
left join people
    on holders.period_start = people.period_start and holders.person_id = people.person_id
left join people as deputies
    on
        holders.period_start = deputies.period_start
        and holders.deputy_person_id = deputies.person_id
{%- endmacro %}
