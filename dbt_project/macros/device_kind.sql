{#
  mobile, tablet or desktop from a user agent (or from those words themselves); null when the source does not say.
  Tablets are asked first: many of them also call themselves mobile.
#}
{% macro device_kind(user_agent) -%}
    case
        when trim({{ user_agent }}) = '' or {{ user_agent }} is null then null
        when lower({{ user_agent }}) like '%tablet%' or lower({{ user_agent }}) like '%ipad%' then 'tablet'
        when lower({{ user_agent }}) like '%mobi%' or lower({{ user_agent }}) like '%iphone%' then 'mobile'
        else 'desktop'
    end
{%- endmacro %}
