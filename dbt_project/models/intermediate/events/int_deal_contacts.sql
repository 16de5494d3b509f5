with deals as (

    select * from {{ ref("stg_sales__deals") }}

),

listed as (

    select
        deal_id,
        {{ split_list("contact_ids", ";") }} as contacts
    from deals
    where contact_ids is not null

),

numbered as (

    {{ numbered_items("listed", "deal_id", "contacts", "contact_id") }}

),

-- the same contact named twice counts once, at its first place
contacts as (

    select
        deal_id,
        contact_id,
        min(item_number) as place
    from numbered
    where contact_id <> ''
    group by deal_id, contact_id

),

ranked as (

    select
        deal_id,
        contact_id,
        row_number() over (partition by deal_id order by place) as contact_number
    from contacts

)

select * from ranked
