{#
  holds(condition): the condition is true of every row; a failing row makes it false or unknown.
#}
{% test holds(model, condition) %}
    select 1 as failing_row
    from {{ model }}
    where not coalesce({{ condition }}, false)
{% endtest %}
