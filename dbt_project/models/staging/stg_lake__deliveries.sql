{{ config(tags=['foundation']) }}

select
    'people' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_people') }}

union all
select
    'org_units' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_org_units') }}

union all
select
    'courses' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_courses') }}

union all
select
    'enrolments' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_enrolments') }}

union all
select
    'activity' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_activity') }}

union all
select
    'assessments' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_assessments') }}

union all
select
    'certifications' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_certifications') }}

union all
select
    'leader_actions' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_leader_actions') }}

union all
select
    'business_outcomes' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_business_outcomes') }}

union all
select
    'initiatives' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_initiatives') }}

union all
select
    'decisions' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_decisions') }}

union all
select
    'records' as feed,
    delivery_id,
    delivery_date,
    newest_on
from {{ source('lake', 'in_force_records') }}
