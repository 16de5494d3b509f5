with golden as (

    select * from {{ source("identity", "golden") }}

),

sightings as (

    select * from {{ ref("int_profile_sightings") }}

),

activity as (

    select * from {{ ref("int_profile_activity") }}

),

consents as (

    select * from {{ ref("int_profile_consents") }}

),

episodes as (

    select * from {{ ref("stage_episodes") }}

),

journeys as (

    select
        profile_id,
        max(case when is_open then stage end) as current_stage,
        max(case when is_open then entered_at end) as stage_since,
        count(*) as episodes,
        cast(sum(case when move = 'back' then 1 else 0 end) as bigint) as regressions,
        cast(sum(case when move = 'restart' then 1 else 0 end) as bigint) as restarts
    from episodes
    group by profile_id

),

profiles as (

    select
        -- who
        golden.profile_id,
        golden.first_name,
        golden.last_name,
        golden.full_name,
        golden.email,
        golden.phone,
        golden.birth_date,
        golden.street,
        golden.city,
        golden.region,
        golden.postcode,
        golden.country,

        -- how well known
        golden.is_anonymous,
        golden.records,
        golden.sources,
        golden.confidence,

        -- seen
        sightings.first_seen_at,
        coalesce(sightings.last_seen_at, sightings.first_seen_at) as last_seen_at,
        sightings.touchpoints,
        coalesce(activity.channels, {{ empty_list() }}) as channels,

        -- bought
        coalesce(activity.purchases, 0) as purchases,
        coalesce(activity.revenue, 0) as revenue,
        activity.first_purchase_at,
        activity.last_purchase_at,

        -- asked for help
        coalesce(activity.tickets, 0) as tickets,
        coalesce(activity.slow_tickets, 0) as slow_tickets,
        coalesce(activity.satisfaction_good, 0) as satisfaction_good,
        coalesce(activity.satisfaction_bad, 0) as satisfaction_bad,

        -- may be written to
        coalesce(activity.emails_clicked, 0) as emails_clicked,
        coalesce(activity.unsubscribed, false) as unsubscribed,
        consents.marketing_consent,

        -- where on the journey
        journeys.current_stage,
        journeys.stage_since,
        journeys.episodes,
        journeys.regressions,
        journeys.restarts
    from golden
    inner join sightings on golden.profile_id = sightings.profile_id
    left join activity on golden.profile_id = activity.profile_id
    left join consents on golden.profile_id = consents.profile_id
    left join journeys on golden.profile_id = journeys.profile_id

)

select * from profiles
order by profile_id
