{#
  Moments are timestamps without zone, in UTC.

  utc_timestamp(text)             ISO 8601 text with or without offset (without: UTC); null when it is no moment.
  utc_from_local(day, time, zone) local date and time texts in a named zone; null when any part is unknown or wrong.
                                  An hour that a clock change skips or repeats is read as the engine reads it.
  seconds_between(start, stop)    seconds with fraction left out, negative when stop is earlier.
  days_later(moment, days)        the moment so many whole days later.
  end_of_time()                   later than any moment: the end of what is still open.
#}
{% macro utc_timestamp(text) -%}
    {{ adapter.dispatch("utc_timestamp")(text) }}
{%- endmacro %}

{% macro default__utc_timestamp(text) -%}
    cast(to_utc_timestamp(try_cast({{ text }} as timestamp), current_timezone()) as timestamp)
{%- endmacro %}

{% macro duckdb__utc_timestamp(text) -%}
    (try_cast({{ text }} as timestamptz) at time zone 'UTC')
{%- endmacro %}

{% macro utc_from_local(day, time, zone) -%}
    {{ adapter.dispatch("utc_from_local")(day, time, zone) }}
{%- endmacro %}

{% macro default__utc_from_local(day, time, zone) -%}
    to_utc_timestamp(try_cast(concat({{ day }}, ' ', {{ time }}) as timestamp), {{ zone }})
{%- endmacro %}

{% macro duckdb__utc_from_local(day, time, zone) -%}
    case
        when {{ zone }} in (select name from pg_timezone_names())
            then timezone('UTC', timezone({{ zone }}, try_cast({{ day }} || ' ' || {{ time }} as timestamp)))
    end
{%- endmacro %}

{% macro seconds_between(start, stop) -%}
    {{ adapter.dispatch("seconds_between")(start, stop) }}
{%- endmacro %}

{% macro default__seconds_between(start, stop) -%}
    (unix_timestamp({{ stop }}) - unix_timestamp({{ start }}))
{%- endmacro %}

{% macro duckdb__seconds_between(start, stop) -%}
    date_diff('second', {{ start }}, {{ stop }})
{%- endmacro %}

{% macro days_later(moment, days) -%}
    {{ adapter.dispatch("days_later")(moment, days) }}
{%- endmacro %}

{% macro default__days_later(moment, days) -%}
    timestampadd(day, {{ days }}, {{ moment }})
{%- endmacro %}

{% macro duckdb__days_later(moment, days) -%}
    ({{ moment }} + to_days(cast({{ days }} as integer)))
{%- endmacro %}

{% macro end_of_time() -%}
    timestamp '9999-12-31 00:00:00'
{%- endmacro %}
