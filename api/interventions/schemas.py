"""Interventions over the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field

from api.evidence.schemas import About
from journeys.interventions.model import Ranked, Status

InterventionKey = Annotated[
    str, Path(max_length=200, description="As in the ranked list.", examples=["answer_in_time"])
]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=500, description="The ETag of what you have read; required."),
]


class InterventionsAnswer(Ranked, About):
    """What to do first, best first."""


class FilledIn(BaseModel):
    """What belongs to the user: all of it is replaced, and what is left out is empty again."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    investment: str | None = Field(None, max_length=200, description="What it takes, in your words.")
    difficulty: Literal[1, 2, 3] | None = Field(None, description="1 easy, 3 hard; the order follows it.")
    period_days: int | None = Field(None, ge=1, le=3650, description="Days until it works.")
    status: Status = Field("open", description="How far it is; dropped ones are nobody's next action.")


class InterventionEntry(FilledIn):
    """One intervention as people know it; what is measured about it stands in the ranked list."""

    key: str
    title: dict[str, str] = Field(description="By language.")
    finding: str = Field(description="The key of the finding that it answers.")
