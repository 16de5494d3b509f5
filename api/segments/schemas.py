"""Segments over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

SegmentKey = Annotated[
    str, Path(description="The segment's key.", max_length=200, pattern=r"^[^/\x00]+$", examples=["cart-abandoners"])
]


class Segment(BaseModel):
    """A group of people, told as a definition and as a sentence."""

    key: str
    title: str
    description: str
    sentence: str = Field(description="The definition in words.")
    definition: Any = Field(description="The definition as a tree.")
    version: int
    purpose: str | None = Field(description="What it may be used for; members without consent for it are not exported.")
    size: int
    exportable: int = Field(description="Members whom the purpose may reach.")
    evaluated_at: datetime


class Member(BaseModel):
    """A profile in a segment."""

    profile_id: str
    since: datetime = Field(description="The data's now of the run that found the person there first.")
