"""Administration over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field

KeyId = Annotated[str, Path(description="The key's id, not the key.", max_length=100)]
ActionChoice = Annotated[str | None, Query(max_length=100, description="Only this action, such as `profile.read`.")]
ObjectChoice = Annotated[str | None, Query(max_length=200, description="Only this object, such as a profile id.")]

ProfileChoice = Annotated[str, Query(max_length=100, description="A profile id.")]
Since = Annotated[str | None, Query(max_length=40, description="From then on: a date or a time with zone.")]
Until = Annotated[str | None, Query(max_length=40, description="Before then: a date or a time with zone.")]


class Key(BaseModel):
    """An API key without its secret."""

    id: str
    name: str
    prefix: str = Field(description="The part of the key that may be shown.")
    scopes: list[str]
    created_at: datetime
    revoked_at: datetime | None


class Keys(BaseModel):
    """All API keys, oldest first."""

    data: list[Key]


class AuditRecord(BaseModel):
    """Who did what to which object, when; chained to the record before it."""

    seq: int
    at: datetime
    actor: str
    action: str
    object: str
    detail: dict[str, Any]
    hash: str


class AuditPage(BaseModel):
    """A page of the audit trail, oldest first."""

    data: list[AuditRecord]
    next_cursor: str | None


class Seen(BaseModel):
    """Somebody saw a profile."""

    seq: int = Field(description="The entry's place in the audit trail.")
    at: datetime
    actor: str
    action: str
    object: str = Field(description="What was read: the profile, or the list on which it stood.")
    how: Literal["itself", "listed", "possible"] = Field(
        description="`possible`: on a list of which it is not known any more who stood on it."
    )
    personal: bool | None = Field(description="Whether values stood in the clear; null where it is not known.")


class SeenPage(BaseModel):
    """A page of who saw a profile, oldest first."""

    data: list[Seen]
    next_cursor: str | None
