{#
  How many path stages the chosen stage set has. Models need the number when they are compiled, before a seed can be read.
#}
{% macro path_stages() -%}
    {%- set known = var("path_stages") -%}
    {%- set chosen = var("stage_set") -%}
    {%- if chosen not in known -%}
        {{ exceptions.raise_compiler_error("vars.path_stages in dbt_project.yml does not say how many path stages the stage set " ~ chosen ~ " has") }}
    {%- endif -%}
    {{ known[chosen] }}
{%- endmacro %}
