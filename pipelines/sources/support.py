"""Support: a Zendesk-style export of users (requesters) and tickets as JSON lines."""

from __future__ import annotations

from pipelines.sources.entity import Entity, Person, columns
from pipelines.sources.fields import moment, readable, text

USERS = Entity(
    source="support",
    entity="users",
    patterns=("support/**/users*",),
    columns=columns(required=("id", "created_at"), optional=("name", "email", "phone", "updated_at")),
    key=("id",),
    contract={"id": text("id"), "created_at": moment("created_at")},
    person=Person(record="id", traits={"full_name": "name", "email": "email", "phone": "phone"}),
    happened_at=moment("created_at"),
    changed_at=f"coalesce({moment('updated_at')}, {moment('created_at')})",
)

TICKETS = Entity(
    source="support",
    entity="tickets",
    patterns=("support/**/tickets*",),
    columns=columns(
        required=("id", "created_at", "requester_id"),
        optional=(
            "updated_at",
            "solved_at",
            "status",
            "priority",
            "subject",
            "description",
            "via.channel",
            "satisfaction_rating.score",
            "satisfaction_rating.comment",
            "tags",
        ),
    ),
    key=("id",),
    contract={
        "id": text("id"),
        "created_at": moment("created_at"),
        "requester_id": text("requester_id"),
        "updated_at_is_readable": readable("updated_at", moment("updated_at")),
        "solved_at_is_readable": readable("solved_at", moment("solved_at")),
    },
    person=Person(record="requester_id"),
    happened_at=moment("created_at"),
    needs="users",
)
