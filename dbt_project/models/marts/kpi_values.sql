{{ config(materialized='view', tags=['foundation']) }}

select
    'week' as grain,
    figures.*
from {{ ref('stg_published__kpi_values__week') }} as figures
union all
select
    'month' as grain,
    figures.*
from {{ ref('stg_published__kpi_values__month') }} as figures
union all
select
    'quarter' as grain,
    figures.*
from {{ ref('stg_published__kpi_values__quarter') }} as figures
