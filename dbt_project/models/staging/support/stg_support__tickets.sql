with documents as (

    {{ latest_documents(source("raw", "support_tickets")) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "ticket_id": "id",
            "requester_id": "requester_id",
            "status": "status",
            "priority": "priority",
            "channel": "via.channel",
            "subject": "subject",
            "description": "description",
            "satisfaction_score": "satisfaction_rating.score",
            "satisfaction_comment": "satisfaction_rating.comment",
            "tags": "tags",
            "created_at": "created_at",
            "updated_at": "updated_at",
            "solved_at": "solved_at",
        }) }},
        batch_seq
    from documents

),

typed as (

    select
        ticket_id,
        {{ filled("requester_id") }} as requester_id,

        {{ filled("status") }} as status,
        {{ filled("priority") }} as priority,
        {{ filled("channel") }} as channel,
        {{ filled("subject") }} as subject,
        {{ filled("description") }} as description,
        -- "offered" and "unoffered" are no verdict; some exports add the reason ("good_with_comment")
        case
            when satisfaction_score like 'good%' then 'good'
            when satisfaction_score like 'bad%' then 'bad'
        end as satisfaction,
        {{ filled("satisfaction_comment") }} as satisfaction_comment,
        -- a JSON list as text
        tags,

        {{ utc_timestamp("created_at") }} as created_at,
        {{ utc_timestamp("updated_at") }} as updated_at,
        {{ utc_timestamp("solved_at") }} as solved_at,
        batch_seq
    from extracted

)

select * from typed
