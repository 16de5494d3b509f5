"""Consent over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, Field

from cdp.domain.consent import Purpose

AsOf = Annotated[
    str | None,
    Query(description="What was effective then: a date or a time with zone.", examples=["2026-01-31T12:00:00Z"]),
]
GlobalPrivacyControl = Annotated[
    str | None,
    Header(
        alias="Sec-GPC",
        description="Pass on what the person's browser sends: `1` is an objection to sale and sharing.",
        examples=["1"],
        max_length=100,
    ),
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Said(_Strict):
    channel: str = Field(
        min_length=1, max_length=100, description="Where it was said.", examples=["web form", "phone", "letter"]
    )
    at: str | None = Field(None, max_length=40, description="When it was said; now, when this is left out.")
    text_version: str | None = Field(None, max_length=200, description="Which wording the person was shown.")
    proof: str | None = Field(None, max_length=1_000, description="What shows it, for example the number of a form.")


class NewStatement(_Said):
    """What a person said about a purpose."""

    purpose: Purpose
    state: Literal["given", "withdrawn", "objected"]
    origin: Literal["person", "import"] = Field(
        "person", description="`import` when another system says so: that never lifts an objection."
    )


class Restriction(_Said):
    """That the person's data are stored, but not used (Art. 18 GDPR)."""

    request: str | None = Field(None, max_length=60, description="The approved subject request that asks for it.")


class RestrictionEnd(_Said):
    """That the person's data may be used again, as far as they agree."""


class PurposeState(BaseModel):
    """What may be done for one purpose, and why."""

    purpose: str
    state: Literal["given", "refused", "unknown"]
    decided_by: Literal["restriction", "objection", "objection in a source", "ledger", "sources", "nothing"]
    reason: str
    entry: int | None = Field(description="The entry of the ledger that decides.")
    said_at: datetime | None
    source: str | None = Field(description="The source whose statement decides.")


class Entry(BaseModel):
    """An entry of the ledger; `profile_id` is the id that the person had then. Masked without `pii:read`: the proof."""

    seq: int
    profile_id: str
    purpose: str = Field(description="A purpose, or `*` for the use of the data as a whole.")
    state: Literal["given", "withdrawn", "objected", "restricted", "lifted"]
    at: datetime
    channel: str
    text_version: str | None
    proof: str | None
    origin: Literal["person", "import"]
    recorded_by: str
    recorded_at: datetime
    request: str | None = Field(description="The subject request that it answers.")


class Consents(BaseModel):
    """What is effective for a person, for every purpose, and what was said."""

    profile_id: str
    as_of: datetime | None
    restricted: bool
    purposes: list[PurposeState]
    entries: list[Entry]
