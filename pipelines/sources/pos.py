"""Point of sale: a Square-style export of loyalty members and sales.

A sale's date and time are local to the time zone the row names; they are converted to UTC here, as everywhere after.
A member record may lack everything but its id.
"""

from __future__ import annotations

from pipelines.sources.entity import Entity, Person, columns
from pipelines.sources.fields import finite, number, readable, text

_DATE = finite(f"try_cast({text('Date')} || ' 00:00:00' as timestamp)")
_LOCAL = finite(f"try_cast({text('Date')} || ' ' || {text('Time')} as timestamp)")
_TIME_READABLE = f"try_cast('2000-01-01 ' || {text('Time')} as timestamp) is not null"
_ZONE_KNOWN = f"{text('Time Zone')} in (select name from pg_timezone_names())"
_SOLD_AT = f"case when {_ZONE_KNOWN} then timezone({text('Time Zone')}, {_LOCAL}) at time zone 'UTC' end"

CUSTOMERS = Entity(
    source="pos",
    entity="customers",
    patterns=("pos/**/customers*",),
    columns=columns(
        required=("Reference ID", "First Name", "Last Name", "Email Address", "Phone Number"),
        optional=(
            "Street Address",
            "Postal Code",
            "Email Subscribed",
            "Points Balance",
            "Birthday",
            "City",
            "State",
            "Country",
        ),
    ),
    key=("Reference ID",),
    contract={"reference_id": text("Reference ID")},
    person=Person(
        record="Reference ID",
        traits={
            "first_name": "First Name",
            "last_name": "Last Name",
            "email": "Email Address",
            "phone": "Phone Number",
            "street": "Street Address",
            "postcode": "Postal Code",
            "country": "Country",
        },
    ),
)

TRANSACTIONS = Entity(
    source="pos",
    entity="transactions",
    patterns=("pos/**/transactions*",),
    columns=columns(
        required=("Transaction ID", "Date", "Time", "Time Zone", "Gross Sales", "Customer Reference ID"),
        optional=("Location", "Discounts", "Card Brand", "Currency"),
    ),
    key=("Transaction ID",),
    contract={
        "transaction_id": text("Transaction ID"),
        "date": _DATE,
        "time_is_readable": _TIME_READABLE,
        "time_zone_is_known": f"coalesce({_ZONE_KNOWN}, false)",
        "gross_sales": number("Gross Sales"),
        "discounts_is_number": readable("Discounts", number("Discounts")),
    },
    person=Person(record="Customer Reference ID"),
    happened_at=_SOLD_AT,
    needs="customers",
)
