"""Profiles over the wire. Documents are served as published; these models document them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from api.paging import Page
from cdp.domain.words import IdentifierType

ProfileId = Annotated[UUID, Path(description="The profile's id.", examples=["0b6f1c1e-6f0a-4b8e-9a51-6f2a1f0c7d11"])]


class Identifier(BaseModel):
    """A typed identifier; the value is masked without `pii:read`."""

    type: str
    value: str


class Stage(BaseModel):
    """Where the person stands on the journey."""

    model_config = ConfigDict(extra="allow")

    current: str | None
    since: datetime | None = None


class Journey(BaseModel):
    """The way so far, what kind of customer this is and what comes next. Parts are null where nothing can be said."""

    model_config = ConfigDict(extra="allow")

    episodes: int
    regressions: int
    restarts: int
    stages: list[str] = Field(default_factory=list, description="The stage of each episode, in order.")
    persona: dict[str, Any] | None = Field(None, description="Key and title.")
    next: dict[str, Any] | None = Field(
        None, description="The move to expect, its probability within `within_days`, and half way through which day."
    )
    lapse: dict[str, Any] | None = Field(
        None, description="Risk of lapsing within `within_days` and its largest drivers; association, not cause."
    )
    value: dict[str, Any] | None = Field(None, description="Purchases and revenue still to expect.")
    next_best_action: dict[str, Any] | None = Field(
        None, description="The best ranked intervention that applies and is allowed, with its reason; null for none."
    )
    history: list[dict[str, Any]] | None = Field(None, description="The last 20 stays, newest first.")


class Origin(BaseModel):
    """Where the value of a trait came from."""

    source: str
    source_record_id: str
    observed_at: datetime | None = Field(description="When the record was last changed, else made, if its source says.")
    rule: str = Field(
        description="The rule of survivorship that chose it; `correction` for what was put right, `only_value` when"
        " nothing else was stated."
    )


class Profile(BaseModel):
    """One resolved person. Traits that are personal data are `***` without `pii:read`."""

    model_config = ConfigDict(extra="allow")

    profile_id: str
    is_anonymous: bool | None = None
    traits: dict[str, Any] = Field(default_factory=dict, description="Observed and computed attributes.")
    stage: Stage | None = None
    journey: Journey | None = None
    identity: dict[str, Any] | None = Field(None, description="How many records of how many sources, how certain.")
    origins: dict[str, Origin] | str | None = Field(
        None, description="By trait, the record its value came from; `***` without `pii:read`."
    )
    identifiers: list[Identifier] = Field(description="At most 100; all of them at `/identifiers`.")


class Lookup(BaseModel):
    """An identifier; in the body, so that it is in no log or history."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Annotated[IdentifierType, Field(strict=False)]
    value: str = Field(
        min_length=1, max_length=1000, description="As people write it; it is normalised like in a source."
    )


class Found(BaseModel):
    """The profiles that carry an identifier: usually one, several where people share it."""

    data: list[Profile]


class Event(BaseModel):
    """A touchpoint: an event that counts in the journey."""

    touchpoint_id: str
    occurred_at: datetime
    source: str
    channel: str | None
    touchpoint_type: str | None
    event_name: str | None
    stage: str | None = Field(description="The stage it is evidence of, if any.")
    lane: str | None = Field(description="`path` or `service`.")
    amount: float | None
    currency: str | None
    device: str | None
    campaign: str | None


class Standing(BaseModel):
    """Where the person stands and what comes next, as in the profile."""

    stage: Stage | None = None
    journey: Journey | None = None


class Episode(BaseModel):
    """One continuous stay in a stage."""

    episode_number: int
    stage: str
    entered_at: datetime
    left_at: datetime | None = Field(description="Null while it lasts.")
    is_open: bool
    move: str = Field(description="How it began: start, forward, back, lapse or restart.")
    touchpoints: int


class JourneyPage(Page[Episode]):
    """A page of stays, beside where the person stands now."""

    standing: Standing
