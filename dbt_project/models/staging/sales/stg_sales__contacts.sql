with documents as (

    {{ latest_documents(source("raw", "sales_contacts")) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "contact_id": "Record ID",
            "first_name": "First Name",
            "last_name": "Last Name",
            "email": "Email",
            "phone": "Phone Number",
            "birth_date": "Date of Birth",
            "street": "Street Address",
            "city": "City",
            "region": "State/Region",
            "postcode": "Postal Code",
            "country": "Country/Region",
            "lifecycle_stage": "Lifecycle Stage",
            "marketing_consent": "Marketing Consent",
            "created_at": "Create Date",
            "updated_at": "Last Modified Date",
        }) }},
        batch_seq,
        first_loaded_at
    from documents

),

typed as (

    select
        contact_id,

        -- as the source has them
        {{ filled("first_name") }} as first_name,
        {{ filled("last_name") }} as last_name,
        {{ filled("email") }} as email,
        {{ filled("phone") }} as phone,
        {{ filled("birth_date") }} as birth_date,
        {{ filled("street") }} as street,
        {{ filled("city") }} as city,
        {{ filled("region") }} as region,
        {{ filled("postcode") }} as postcode,
        {{ filled("country") }} as country,

        -- statements
        {{ filled("lifecycle_stage") }} as lifecycle_stage,
        {{ yes_or_no("marketing_consent") }} as marketing_consent,

        -- times
        {{ utc_timestamp("created_at") }} as created_at,
        {{ utc_timestamp("updated_at") }} as updated_at,
        batch_seq,
        first_loaded_at
    from extracted

)

select * from typed
