{#
  What people and systems write for yes and no, as a boolean; null for anything else.
#}
{% macro yes_or_no(value) -%}
    case
        when lower(trim({{ value }})) in ('true', 'yes', 'y', '1', 'subscribed') then true
        when lower(trim({{ value }})) in ('false', 'no', 'n', '0', 'unsubscribed') then false
    end
{%- endmacro %}
