"""Segments over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Body, Header, Path, Query
from pydantic import BaseModel, Field

from cdp.domain.consent import Purpose

SegmentKey = Annotated[
    str, Path(description="The segment's key.", max_length=200, pattern=r"^[^/\x00]+$", examples=["cart_abandoners"])
]
Document = Annotated[
    dict[str, Any],
    Body(
        description="A segment: key, title, where (the tree, or its text form), description, purpose, owner, author, "
        "tags. `GET /v1/segments/schema` is its JSON Schema.",
        examples=[
            {"key": "german_buyers", "title": "German buyers", "where": "trait.country = 'DE' and trait.purchases > 0"}
        ],
    ),
]
PreviewDocument = Annotated[
    dict[str, Any],
    Body(
        description="A segment of which only `where` has to be there; `overlap`, the keys of segments to compare with, "
        'or "all"; `sample`, how many people to show masked (0 to 20).',
        examples=[{"where": "trait.country = 'DE'", "overlap": ["vip"], "sample": 3}],
    ),
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=500, description="The ETag of the version that is meant; required."),
]
AsOf = Annotated[
    str | None,
    Query(max_length=40, description="Who was in then: a date or a time with zone.", examples=["2025-12-31"]),
]
Exportable = Annotated[bool | None, Query(description="Only those whom the segment's purpose may (not) reach.")]
Fields = Annotated[
    str | None,
    Query(max_length=2000, description="Traits to show, with commas between them.", examples=["country,purchases"]),
]
Start = Annotated[
    Literal["beginning", "now"],
    Query(description="Where to begin without a cursor: the first change, or the next."),
]
Format = Annotated[Literal["csv", "ndjson", "parquet"], Query(description="The form of the file.")]
For = Annotated[
    Purpose | None,
    Query(alias="for", description="What it is exported for, when that is narrower than the segment's purpose."),
]
Everybody = Annotated[bool, Query(description="Allow the export of a segment that selects everybody.")]


class Segment(BaseModel):
    """A group of people, told as a definition, as text and as a sentence."""

    key: str
    title: str
    description: str
    sentence: str = Field(description="The definition in words.")
    text: str | None = Field(description="The definition in its text form.")
    definition: Any = Field(description="The definition as a tree, with title, purpose, owner, author and tags.")
    version: int
    origin: Literal["shipped", "user"] = Field(description="Shipped segments cannot be changed here.")
    purpose: str | None = Field(description="What it may be used for; members without consent for it are not exported.")
    size: int
    exportable: int = Field(description="Members whom the purpose may reach.")
    evaluated_at: datetime = Field(description="The data's now of the evaluation that found the members.")
    problem: str | None = Field(description="Why it cannot be evaluated; members are then those of the last time.")
    blocking: list[str] = Field(description="Conditions that cannot be answered by looking at one profile alone.")


class Version(BaseModel):
    """One version of a segment, and who saved it."""

    version: int
    definition: Any
    sentence: str
    saved_by: str
    saved_at: datetime
    deleted: bool


class Versions(BaseModel):
    """Versions of a segment, newest first."""

    data: list[Version]
    next_cursor: str | None


class Member(BaseModel):
    """A profile in a segment."""

    profile_id: str
    since: datetime = Field(description="The data's now that found the person there first.")
    exportable: bool = Field(description="Whether the segment's purpose may reach this person.")
    living_id: str | None = Field(None, description="Of the past: the profile that the person is today, if any.")
    traits: dict[str, Any] | None = Field(
        None, description="The fields asked for; personal ones only with `pii:read`, and of those who may be reached."
    )


class MembershipChange(BaseModel):
    """A person whom the segment's purpose may reach came in, left, or goes on under another id."""

    seq: int
    change: Literal["entered", "exited", "carried"] = Field(
        description="`carried`: the person of `former_id` is now known as `profile_id`; no exit and entry."
    )
    profile_id: str
    former_id: str | None
    at: datetime
    reason: str = Field(description="evaluated, definition, deleted, consent, identity or erased.")


class Changes(BaseModel):
    """Part of a segment's change feed."""

    data: list[MembershipChange]
    next_cursor: str = Field(description="Where to go on, now or later; also when there is nothing new.")
    has_more: bool


class DropOff(BaseModel):
    """One condition: how many satisfy it alone, how many are left after it and all before it, how many it removed."""

    path: str
    condition: str
    alone: int
    remaining: int
    removed: int


class Overlap(BaseModel):
    """How many are also in another segment."""

    key: str
    title: str
    size: int
    both: int


class Preview(BaseModel):
    """What a definition would select; nothing is stored."""

    sentence: str
    text: str
    purpose: str
    profiles: int
    size: int
    share: float
    exportable: int
    reachable: dict[str, int] = Field(description="By channel, those with an address whom the purpose may reach.")
    drop_off: list[DropOff]
    overlap: list[Overlap]
    sample: list[dict[str, Any]] = Field(description="Some who may be reached, masked.")
    blocking: list[str] = Field(description="Conditions that cannot be answered by looking at one profile alone.")
    time_dependent: bool = Field(description="Whether people come and go by the passing of time alone.")
    rows_scanned: int = Field(description="What it cost: rows of all tables that are scanned for these counts.")
    seconds: float = Field(description="What it cost: wall-clock time.")
