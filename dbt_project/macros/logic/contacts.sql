{# Everyone whom a review may write to: holders of governance roles and their deputies, the
   managers of named leaders, and managers of people. #}
{% macro contacts(grain) -%}
with

governance as (
    select * from {{ of_grain('governance', grain) }}
),

managers as (
    select
        managers.period_start,
        managers.person_id
    from {{ of_grain('int_managers', grain) }} as managers
),

-- a union leaves each person once
reached as (
    select
        governance.period_start,
        governance.person_id
    from governance
    union
    select
        governance.period_start,
        governance.deputy_person_id as person_id
    from governance
    union
    select
        leaders.period_start,
        leaders.manager_id as person_id
    from {{ of_grain('named_leaders', grain) }} as leaders
    union
    select
        managers.period_start,
        managers.person_id
    from managers
),

-- of several roles with deputies: one who is there before one who is not
deputies as (
    select
        governance.period_start,
        governance.person_id,
        governance.deputy_person_id,
        governance.deputy_is_active,
        row_number() over (
            partition by governance.period_start, governance.person_id
            order by
                case when governance.deputy_is_active then 0 else 1 end,
                governance.role,
                governance.org_unit_id,
                governance.deputy_person_id
        ) as place
    from governance
    where governance.deputy_person_id is not null
)

select
    people.period_start,
    people.person_id,
    people.full_name,
    people.email,
    people.manager_id,
    (people.hired_on is null or people.hired_on <= people.period_end)
    and (people.left_on is null or people.left_on > people.period_end) as is_active,
    deputies.deputy_person_id,
    coalesce(deputies.deputy_is_active, false) as deputy_is_active,
    managers.person_id is not null as is_manager
from reached
inner join {{ of_grain('int_people', grain) }} as people
    on reached.period_start = people.period_start and reached.person_id = people.person_id
left join deputies
    on
        reached.period_start = deputies.period_start
        and reached.person_id = deputies.person_id
        and deputies.place = 1
left join managers
    on reached.period_start = managers.period_start and reached.person_id = managers.person_id
{%- endmacro %}
