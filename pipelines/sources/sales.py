"""Sales: a HubSpot-style CRM export of contacts and deals.

A deal counts as a purchase at its close date once it is won, so a won deal must say when and how much.
"""

from __future__ import annotations

from pipelines.sources.entity import Entity, Person, columns
from pipelines.sources.fields import moment, number, readable, text

_WON = f"lower({text('Deal Stage')}) = 'closedwon'"

CONTACTS = Entity(
    source="sales",
    entity="contacts",
    patterns=("sales/**/contacts*",),
    columns=columns(
        required=("Record ID", "First Name", "Last Name", "Email", "Phone Number", "Create Date"),
        optional=(
            "Date of Birth",
            "Street Address",
            "City",
            "State/Region",
            "Postal Code",
            "Lifecycle Stage",
            "Marketing Consent",
            "Country/Region",
            "Last Modified Date",
        ),
    ),
    key=("Record ID",),
    contract={"record_id": text("Record ID"), "create_date": moment("Create Date")},
    person=Person(
        record="Record ID",
        traits={
            "first_name": "First Name",
            "last_name": "Last Name",
            "email": "Email",
            "phone": "Phone Number",
            "street": "Street Address",
            "postcode": "Postal Code",
            "country": "Country/Region",
        },
    ),
    happened_at=moment("Create Date"),
    changed_at=f"coalesce({moment('Last Modified Date')}, {moment('Create Date')})",
)

DEALS = Entity(
    source="sales",
    entity="deals",
    patterns=("sales/**/deals*",),
    columns=columns(
        required=("Record ID", "Deal Stage", "Amount", "Create Date", "Close Date", "Associated Contact IDs"),
        optional=("Deal Name", "Currency"),
    ),
    key=("Record ID",),
    contract={
        "record_id": text("Record ID"),
        "create_date": moment("Create Date"),
        "close_date_is_readable": readable("Close Date", moment("Close Date")),
        "won_has_close_date": f"coalesce({_WON}, false) is false or {text('Close Date')} is not null",
        "won_at": f"case when {_WON} then {moment('Close Date')} end",
        "amount_is_number": readable("Amount", number("Amount")),
        "won_has_amount": f"coalesce({_WON}, false) is false or {text('Amount')} is not null",
        "amount": number("Amount"),
    },
    person=Person(record="Associated Contact IDs", separator=";"),
    happened_at=f"coalesce(case when {_WON} then {moment('Close Date')} end, {moment('Create Date')})",
    needs="contacts",
)
