{#
  seamless(per, start, stop): the half-open intervals of each `per` neither overlap nor leave gaps, and none is empty.
#}
{% test seamless(model, per, start, stop) %}
    select 1 as failing_interval
    from (
        select
            {{ start }} as started,
            {{ stop }} as stopped,
            lead({{ start }}) over (partition by {{ per }} order by {{ start }}) as next_started
        from {{ model }}
    ) as intervals
    where stopped <= started or (next_started is not null and stopped <> next_started)
{% endtest %}
