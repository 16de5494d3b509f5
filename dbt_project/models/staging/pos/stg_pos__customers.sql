with documents as (

    {{ latest_documents(source("raw", "pos_customers")) }}

),

extracted as (

    select
        {{ json_columns("document", {
            "loyalty_id": "Reference ID",
            "first_name": "First Name",
            "last_name": "Last Name",
            "email": "Email Address",
            "phone": "Phone Number",
            "birth_date": "Birthday",
            "street": "Street Address",
            "city": "City",
            "region": "State",
            "postcode": "Postal Code",
            "country": "Country",
            "email_subscribed": "Email Subscribed",
            "points_balance": "Points Balance",
        }) }},
        batch_seq,
        first_loaded_at
    from documents

),

typed as (

    select
        loyalty_id,

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
        {{ yes_or_no("email_subscribed") }} as email_subscribed,
        {{ number("points_balance") }} as points_balance,

        -- times
        batch_seq,
        first_loaded_at
    from extracted

)

select * from typed
