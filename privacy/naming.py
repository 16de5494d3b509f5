"""How a request names people: by an identifier, or by the id of a profile, which may live on under another one."""

from __future__ import annotations

from cdp.store.base import Store

# The type of an identifier that is a profile id.
PROFILE = "profile"


def living(store: Store, profile_id: str) -> str:
    """The id under which a merged profile lives on; any other id as it is."""
    seen, value = {profile_id}, profile_id
    while (known := store.get_profile(value)) and known.merged_into and known.merged_into not in seen:
        value = known.merged_into
        seen.add(value)
    return value
