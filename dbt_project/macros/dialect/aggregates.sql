{#
  distinct_list(value, condition)  the distinct values where the condition holds, sorted; an empty list when there is none.
  quantile(value, share)           interpolated quantile, share between 0 and 1.
  fingerprint(columns)             32 hex digits over the values, null and empty told apart from each other.
#}
{% macro distinct_list(value, condition="true") -%}
    {{ adapter.dispatch("distinct_list")(value, condition) }}
{%- endmacro %}

{% macro default__distinct_list(value, condition) -%}
    array_sort(collect_set(case when {{ condition }} then {{ value }} end))
{%- endmacro %}

{% macro duckdb__distinct_list(value, condition) -%}
    coalesce(list_sort(list(distinct {{ value }}) filter (where {{ condition }} and {{ value }} is not null)), [])
{%- endmacro %}

{% macro quantile(value, share) -%}
    {{ adapter.dispatch("quantile")(value, share) }}
{%- endmacro %}

{% macro default__quantile(value, share) -%}
    percentile({{ value }}, {{ share }})
{%- endmacro %}

{% macro duckdb__quantile(value, share) -%}
    quantile_cont({{ value }}, {{ share }})
{%- endmacro %}

{% macro fingerprint(columns) -%}
    md5(concat(
        {%- for column in columns %}
        coalesce('=' || {{ column }}, '0'), chr(31){{ "," if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{#
  latest_value(value, moment, tie)  the value, null left out, of the latest moment; `tie` decides between equal moments.
#}
{% macro latest_value(value, moment, tie) -%}
    {{ adapter.dispatch("latest_value")(value, moment, tie) }}
{%- endmacro %}

{% macro default__latest_value(value, moment, tie) -%}
    max_by({{ value }}, struct({{ moment }}, {{ tie }})) filter (where {{ value }} is not null)
{%- endmacro %}

{% macro duckdb__latest_value(value, moment, tie) -%}
    arg_max({{ value }}, ({{ moment }}, {{ tie }})) filter (where {{ value }} is not null)
{%- endmacro %}
