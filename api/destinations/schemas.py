"""Destinations over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

DestinationKey = Annotated[
    str, Path(description="The destination's key.", max_length=64, pattern=r"^[a-z][a-z0-9_]*$", examples=["crm"])
]
OfDestination = Annotated[str | None, Query(max_length=64, description="Only messages to this destination.")]
About = Annotated[str | None, Query(max_length=64, description="Only messages about this profile.")]
State = Literal["pending", "delivered", "withheld", "superseded", "dead"]
InState = Annotated[State | None, Query(description="Only messages in this state.")]


class Wanted(BaseModel):
    """A destination as it shall be."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["crm"])
    title: str = Field(min_length=1, max_length=200)
    segments: list[str] = Field(min_length=1, max_length=100, examples=[["cart_abandoners"]])
    purpose: str | None = Field(None, description="The purpose of its segments; left out, that of the first.")
    config: dict[str, Any] = Field(
        description="`kind`: webhook; `url`; `body`: wayfinder or audience; `fields`: name at the receiver → path in "
        "the profile (these need `pii:read`); `per_minute`.",
        examples=[{"kind": "webhook", "url": "https://crm.example.org/hook", "fields": {"email": "traits.email"}}],
    )
    enabled: bool = True
    secret: str | None = Field(
        None, max_length=200, description="whsec_…, for signatures. Left out, the former one stays or one is made."
    )


class Destination(BaseModel):
    """A tool that hears of a segment's people. Its secret is never shown again."""

    key: str
    kind: Literal["webhook", "files", "table"]
    title: str
    purpose: str
    config: dict[str, Any]
    segments: list[str]
    enabled: bool
    version: int
    saved_by: str
    saved_at: datetime
    messages: dict[str, int] = Field(description="Messages by state.")
    secret: str | None = Field(None, description="Only in the answer to its creation: what messages are signed with.")


class Delivery(BaseModel):
    """One message and what became of it; without values."""

    id: int
    destination_key: str
    message_id: str = Field(description="The same at every attempt.")
    profile_id: str
    former_id: str | None
    segment_key: str
    trigger_key: str | None
    kind: Literal["entered", "exited", "carried", "trigger", "erased", "rectified", "restricted", "lifted"]
    reason: str
    at: datetime = Field(description="The data's time of the change.")
    state: State
    attempts: int
    due_at: datetime | None
    finished_at: datetime | None
    error: str | None
    request: str | None = Field(description="The subject request that asked for what is told; null otherwise.")
    notice: str | None = Field(description="The correction, or the entry of the ledger, that is told; null otherwise.")


class Sync(BaseModel):
    """What a resync shall tell."""

    model_config = ConfigDict(extra="forbid")

    everybody: bool = Field(False, description="Tell everybody again, not only the differences.")


class Synced(BaseModel):
    """Messages queued by a resync."""

    entered: int
    exited: int


class Replay(BaseModel):
    """Which dead messages shall be tried again."""

    model_config = ConfigDict(extra="forbid")

    message_ids: list[str] | None = Field(None, max_length=1000, description="All of the queue when left out.")


class Replayed(BaseModel):
    """Messages that wait again."""

    replayed: int


class Tested(BaseModel):
    """Whether the receiver took a message about nobody."""

    taken: bool
    code: str = Field(description="Why not, in one word; empty when it was taken.")


class Rehearsal(BaseModel):
    """What a pass would do now."""

    destination: str
    would: dict[str, int] = Field(description="Messages by what would be told, or why not.")
    empty_fields: dict[str, int] = Field(description="For how many people a field is empty.")
    sample: list[dict[str, Any]] = Field(description="A few messages, with values masked.")
