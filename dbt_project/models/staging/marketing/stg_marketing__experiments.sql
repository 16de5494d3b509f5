with documents as (

    {{ latest_documents(source("raw", "marketing_experiments")) }}

),

extracted as (

    select
        record_key as assignment_id,
        {{ json_columns("document", {
            "experiment": "experiment",
            "email": "email",
            "arm": "arm",
            "assigned_at": "assigned_at",
        }) }},
        batch_seq
    from documents

),

typed as (

    select
        assignment_id,
        {{ filled("experiment") }} as experiment,
        lower(trim({{ filled("email") }})) as email,
        {{ filled("arm") }} as arm,
        {{ utc_timestamp("assigned_at") }} as assigned_at,
        batch_seq
    from extracted

)

select * from typed
