"""Marketing: e-mail events (sent, open, click, unsubscribe) and arms of experiments, joined to people by address."""

from __future__ import annotations

from pipelines.sources.entity import Entity, Person, columns
from pipelines.sources.fields import moment, text

EMAIL_EVENTS = Entity(
    source="marketing",
    entity="email_events",
    patterns=("marketing/**/email_events*",),
    columns=columns(required=("event_id", "event", "email", "timestamp"), optional=("campaign",)),
    key=("event_id",),
    contract={
        "event_id": text("event_id"),
        "event": text("event"),
        "email": text("email"),
        "timestamp": moment("timestamp"),
    },
    person=Person(record="email", folded=True, traits={"email": "email"}),
    happened_at=moment("timestamp"),
    immutable=True,
)

EXPERIMENTS = Entity(
    source="marketing",
    entity="experiments",
    patterns=("marketing/**/experiments*",),
    columns=columns(required=("experiment", "email", "arm", "assigned_at")),
    key=("experiment", "email"),
    contract={
        "experiment": text("experiment"),
        "email": text("email"),
        "arm": text("arm"),
        "assigned_at": moment("assigned_at"),
    },
    person=Person(record="email", folded=True, traits={"email": "email"}),
    happened_at=moment("assigned_at"),
    optional=True,
)
