with documents as (

    {{ latest_documents(source("raw", "support_users")) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "requester_id": "id",
            "full_name": "name",
            "email": "email",
            "phone": "phone",
            "created_at": "created_at",
            "updated_at": "updated_at",
        }) }},
        batch_seq,
        first_loaded_at
    from documents

),

typed as (

    select
        requester_id,

        -- as the source has them
        {{ filled("full_name") }} as full_name,
        {{ filled("email") }} as email,
        {{ filled("phone") }} as phone,

        -- times
        {{ utc_timestamp("created_at") }} as created_at,
        {{ utc_timestamp("updated_at") }} as updated_at,
        batch_seq,
        first_loaded_at
    from extracted

)

select * from typed
