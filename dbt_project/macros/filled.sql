{#
  The value as it is, or null when it is empty or only blanks. Values are not trimmed: normalising is identity's work.
#}
{% macro filled(value) -%}
    case when trim({{ value }}) <> '' then {{ value }} end
{%- endmacro %}
