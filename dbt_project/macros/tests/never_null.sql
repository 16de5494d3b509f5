{#
  never_null(columns): none of the columns is ever null. One query instead of one `not_null` test per column.
#}
{% test never_null(model, columns) %}
    select 1 as incomplete_row
    from {{ model }}
    where
        {% for column in columns %}
        {{ "or " if not loop.first }}{{ column }} is null
        {% endfor %}
{% endtest %}
