"""Administration over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, Field

KeyId = Annotated[str, Path(description="The key's id, not the key.", max_length=100)]
ActionChoice = Annotated[str | None, Query(max_length=100, description="Only this action, such as `profile.read`.")]
ObjectChoice = Annotated[str | None, Query(max_length=200, description="Only this object, such as a profile id.")]


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
