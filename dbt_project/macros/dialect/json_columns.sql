{#
  json_columns(document, columns): one text column per entry of `columns` (name -> path), in one pass over the document.

  A path is keys joined by dots; a key may hold blanks and slashes ("Record ID", "State/Region").
      {{ json_columns("document", {"contact_id": "Record ID", "campaign": "context.campaign.source"}) }}
  JSON null and a missing key both give null; numbers and booleans give their text.

  Trap: an engine that parses the document once per path costs a multiple here; extracting all paths as one list does not.
#}
{% macro json_columns(document, columns) -%}
    {{ adapter.dispatch("json_columns")(document, columns) }}
{%- endmacro %}

{% macro default__json_columns(document, columns) -%}
    {%- for name, path in columns.items() %}
    get_json_object({{ document }}, '${%- for key in path.split(".") -%}[''{{ key }}'']{%- endfor -%}') as {{ name }}
    {{- "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{% macro duckdb__json_columns(document, columns) -%}
    {%- set paths = [] -%}
    {%- for path in columns.values() -%}
        {%- do paths.append("'$.\"" ~ path.split(".") | join("\".\"") ~ "\"'") -%}
    {%- endfor -%}
    {%- set extracted = "json_extract_string(" ~ document ~ ", [" ~ paths | join(", ") ~ "])" -%}
    {%- for name in columns %}
    {{ extracted }}[{{ loop.index }}] as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}
