"""Web: an archive of Segment-spec events (track, page, identify …) as JSON lines.

Events never change: a `messageId` seen again with the same content is a repetition, with other content an error.
Times of transmission differ between deliveries of one event and do not count as content.
"""

from __future__ import annotations

from pipelines.sources.entity import Entity, Person, columns
from pipelines.sources.fields import moment, possible, text

EVENTS = Entity(
    source="web",
    entity="events",
    patterns=("web/**/events*",),
    columns=columns(
        required=("messageId", "type", "timestamp"),
        optional=(
            "anonymousId",
            "userId",
            "event",
            "name",
            "properties",
            "traits",
            "context",
            "receivedAt",
            "sentAt",
            "originalTimestamp",
            "properties.order_id",
            "properties.total",
            "properties.revenue",
            "properties.currency",
            "traits.email",
            "traits.phone",
            "traits.name",
            "traits.firstName",
            "traits.lastName",
            "traits.birthday",
            "traits.address.street",
            "traits.address.city",
            "traits.address.state",
            "traits.address.postalCode",
            "traits.address.country",
            "context.channel",
            "context.userAgent",
            "context.campaign.name",
            "context.campaign.source",
        ),
    ),
    key=("messageId",),
    contract={
        "message_id": text("messageId"),
        "type": text("type"),
        "timestamp": moment("timestamp"),
        # Great Expectations compares times row by row in Python; for events that is most of the load's time.
        "timestamp_is_possible": possible(moment("timestamp")),
        "person": f"coalesce({text('userId')}, {text('anonymousId')})",
        "track_has_event": f"{text('type')} is distinct from 'track' or {text('event')} is not null",
    },
    person=Person(
        record="userId",
        device="anonymousId",
        traits={
            "first_name": "traits.firstName",
            "last_name": "traits.lastName",
            "full_name": "traits.name",
            "email": "traits.email",
            "phone": "traits.phone",
            "street": "traits.address.street",
            "postcode": "traits.address.postalCode",
            "country": "traits.address.country",
        },
    ),
    happened_at=moment("timestamp"),
    immutable=True,
    volatile=("receivedAt", "sentAt", "originalTimestamp"),
)
