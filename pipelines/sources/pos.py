"""Point of sale: a Square-style export of loyalty members and sales.

A sale's date and time are local to the time zone the row names; they are converted to UTC here, as everywhere after.
A member record may lack everything but its id.
"""

from __future__ import annotations

from pipelines.sources.entity import Entity, columns
from pipelines.sources.fields import finite, number, readable, text

_DATE = finite(f"try_cast({text('Date')} as date)")
_TIME = f"try_cast({text('Time')} as time)"
_ZONE_KNOWN = f"{text('Time Zone')} in (select name from pg_timezone_names())"
_SOLD_AT = f"case when {_ZONE_KNOWN} then timezone({text('Time Zone')}, {_DATE} + {_TIME}) at time zone 'UTC' end"

CUSTOMERS = Entity(
    source="pos",
    entity="customers",
    patterns=("pos/**/customers*",),
    columns=columns(
        required=("Reference ID", "First Name", "Last Name", "Email Address", "Phone Number"),
        optional=("Street Address", "Postal Code", "Email Subscribed", "Points Balance"),
    ),
    key=("Reference ID",),
    contract={"reference_id": text("Reference ID")},
)

TRANSACTIONS = Entity(
    source="pos",
    entity="transactions",
    patterns=("pos/**/transactions*",),
    columns=columns(
        required=("Transaction ID", "Date", "Time", "Time Zone", "Gross Sales", "Customer Reference ID"),
        optional=("Location", "Discounts", "Card Brand"),
    ),
    key=("Transaction ID",),
    contract={
        "transaction_id": text("Transaction ID"),
        "date": f"cast({_DATE} as timestamp)",
        "time_is_readable": f"{_TIME} is not null",
        "time_zone_is_known": f"coalesce({_ZONE_KNOWN}, false)",
        "sold_at": _SOLD_AT,
        "gross_sales": number("Gross Sales"),
        "discounts_is_number": readable("Discounts", number("Discounts")),
        "discounts": number("Discounts"),
    },
    happened_at=_SOLD_AT,
    needs="customers",
)
