"""Legal holds over the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.privacy.schemas import MOST_IDENTIFIERS, Identifier, Step

HoldId = Annotated[
    str,
    Path(description="The hold's id.", pattern=r"^ho-[0-9]{8}-[0-9a-f]{12}$", examples=["ho-20260131-0123456789ab"]),
]
OnlyOpen = Annotated[bool, Query(description="Only holds that have not ended.")]


class WantedHold(BaseModel):
    """A hold as it is placed."""

    model_config = ConfigDict(extra="forbid")

    identifiers: list[Identifier] = Field(min_length=1, max_length=MOST_IDENTIFIERS, description="All of one person.")
    basis: str = Field(min_length=1, max_length=40, examples=["tax"], description="One of the declared bases.")
    categories: list[str] = Field([], max_length=50, description="What of it is kept; empty means all of the basis.")
    until: date = Field(description="The last day on which it holds.")


class Longer(BaseModel):
    """A later last day."""

    model_config = ConfigDict(extra="forbid")

    until: date


class LegalHold(BaseModel):
    """A hold, without a word of whom it means or of what it keeps."""

    hold: str
    basis: str
    categories: list[str]
    until: date
    status: Literal["active", "released", "ended"]
    placed_at: datetime
    placed_by: str
    records: int | None = Field(description="How many records it keeps; null without the scope `pii:read`.")
    history: list[Step]


class HoldPage(BaseModel):
    """A page of holds, oldest first."""

    data: list[LegalHold]
    next_cursor: str | None
