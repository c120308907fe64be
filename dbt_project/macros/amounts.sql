{# Exact arithmetic on amounts: DECIMAL(18,4) in and out, so that two engines agree to the digit. #}

{% macro amount(number) -%}
    cast({{ number }} as decimal(18, 4))
{%- endmacro %}

{# The amount in ten-thousandths, a whole number. #}
{% macro ten_thousandths(number) -%}
    {{ whole("cast(" ~ number ~ " as decimal(18, 4)) * 10000") }}
{%- endmacro %}

{% macro power_of_ten(places) -%}
    (case {{ places }} when 0 then 1 when 1 then 10 when 2 then 100 when 3 then 1000 else 10000 end)
{%- endmacro %}

{# dividend / divisor (whole numbers, divisor > 0) as an amount, rounded half away from zero. #}
{% macro rounded_quotient(dividend, divisor, places) -%}
    {%- set ten = power_of_ten(places) -%}
    cast(
        cast(
            (case when {{ dividend }} < 0 then -1 else 1 end)
            * {{ whole_quotient(
                "2 * " ~ ten ~ " * abs(" ~ dividend ~ ") + " ~ divisor, "2 * " ~ divisor
            ) }}
            * {{ whole_quotient("10000", ten) }}
            as decimal(18, 0)
        ) * cast(0.0001 as decimal(5, 4))
        as decimal(18, 4)
    )
{%- endmacro %}
