{#
  grain(columns): the columns together identify a row, and none of them is ever null. One query instead of a `unique` and
  several `not_null` tests; a failing row is a repeated or incomplete key.
#}
{% test grain(model, columns) %}
    select {{ columns | join(", ") }}
    from {{ model }}
    group by {{ columns | join(", ") }}
    having
        count(*) > 1
        {% for column in columns %}
        or {{ column }} is null
        {% endfor %}
{% endtest %}
