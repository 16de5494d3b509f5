{#
  split_list(text, separator)                   the parts of a text as a list.
  numbered_items(relation, key, items, item)    a query with one row per list element: key, item (trimmed), item_number from 1.
#}
{% macro split_list(text, separator) -%}
    {{ adapter.dispatch("split_list")(text, separator) }}
{%- endmacro %}

{% macro default__split_list(text, separator) -%}
    split({{ text }}, '[{{ separator }}]')
{%- endmacro %}

{% macro duckdb__split_list(text, separator) -%}
    string_split({{ text }}, '{{ separator }}')
{%- endmacro %}

{% macro numbered_items(relation, key, items, item) -%}
    {{ adapter.dispatch("numbered_items")(relation, key, items, item) }}
{%- endmacro %}

{% macro default__numbered_items(relation, key, items, item) -%}
    select {{ key }}, trim(element) as {{ item }}, place + 1 as item_number
    from {{ relation }} lateral view posexplode({{ items }}) exploded as place, element
{%- endmacro %}

{% macro duckdb__numbered_items(relation, key, items, item) -%}
    select
        {{ key }},
        trim(unnest({{ items }})) as {{ item }},
        generate_subscripts({{ items }}, 1) as item_number
    from {{ relation }}
{%- endmacro %}

{#
  empty_list()  a list of texts without elements.
#}
{% macro empty_list() -%}
    {{ adapter.dispatch("empty_list")() }}
{%- endmacro %}

{% macro default__empty_list() -%}
    array()
{%- endmacro %}

{% macro duckdb__empty_list() -%}
    cast([] as varchar[])
{%- endmacro %}
