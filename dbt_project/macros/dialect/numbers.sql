{#
  number(text)  a number as systems export it, "1,234.50" or "$18.96" included; null when it is none.
#}
{% macro number(text) -%}
    try_cast(replace(replace({{ text }}, '$', ''), ',', '') as double)
{%- endmacro %}
