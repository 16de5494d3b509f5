"""What a caller without `pii:read` sees: everything that is not declared public is masked.

A new section or trait is therefore hidden until somebody decides that it is no personal data. Whether a value is there
at all stays visible, because an empty field is a fact about data quality and not about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MASK = "***"

PUBLIC_SECTIONS = frozenset({"profile_id", "is_anonymous", "stage", "journey", "identity"})

PUBLIC_TRAITS = frozenset(
    {
        "country",
        "marketing_consent",
        "unsubscribed",
        "first_seen_at",
        "last_seen_at",
        "channels",
        "touchpoints",
        "purchases",
        "revenue",
        "first_purchase_at",
        "last_purchase_at",
        "tickets",
        "slow_tickets",
        "satisfaction_good",
        "satisfaction_bad",
        "emails_clicked",
    }
)


# Columns of profiles beside the traits that say nothing about who somebody is.
PUBLIC_COLUMNS = PUBLIC_TRAITS | {
    "profile_id", "is_anonymous", "current_stage", "stage_since", "episodes", "regressions", "restarts", "records",
    "sources", "confidence",
}  # fmt: skip


def masked_profile(document: Mapping[str, Any]) -> dict[str, Any]:
    """A profile document with personal data masked."""
    shown: dict[str, Any] = {}
    for section, content in document.items():
        if section == "traits" and isinstance(content, Mapping):
            shown[section] = {
                name: value if name in PUBLIC_TRAITS else masked(value) for name, value in content.items()
            }
        else:
            shown[section] = content if section in PUBLIC_SECTIONS else masked(content)
    return shown


def masked(value: Any) -> str | None:
    """The mask, or None where there is no value."""
    return None if value is None else MASK
