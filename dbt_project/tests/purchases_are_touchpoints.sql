-- Every purchase of a known person is a touchpoint of theirs.
select purchases.purchase_id
from {{ ref("purchases") }} as purchases
left join {{ ref("touchpoints") }} as touchpoints
    on purchases.purchase_id = touchpoints.touchpoint_id and purchases.profile_id = touchpoints.profile_id
where purchases.profile_id is not null and touchpoints.touchpoint_id is null
