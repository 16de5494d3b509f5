{#
  Schemas are named plainly (`staging`, `marts`), not prefixed with the target's schema: readers rely on the names.
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
