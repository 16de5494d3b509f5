"""Subject requests over the wire."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from privacy.requests.words import Delay, Kind, Refusal, State, Verification

# A batch of thousands is a request; more in one is more likely a mistake, and split easily.
MOST_PEOPLE = 10_000
MOST_IDENTIFIERS = 20

RequestId = Annotated[
    str,
    Path(
        description="The request's id.", pattern=r"^(ac|po|er|rc|rs|ob)-[0-9]{8}-[0-9a-f]{12}$",
        examples=["er-20260131-0123456789ab"],
    ),
]  # fmt: skip
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match", max_length=500,
        description="The ETag of the request that you have read: 412 when it is no longer as it was then.",
    ),
]  # fmt: skip
OfKind = Annotated[Kind | None, Query(description="Only requests of this kind.")]
InState = Annotated[State | None, Query(description="Only requests in this state.")]
OnlyOpen = Annotated[bool, Query(description="Only requests on which something is still to be done.")]

Rules = Literal["gdpr", "ccpa", "pipl"]
Standing = Literal["open", "due_soon", "overdue", "closed"]


class Identifier(BaseModel):
    """A value by which a person is found."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(min_length=1, max_length=40, examples=["email"], description="As for lookups, or `profile`.")
    value: str = Field(min_length=1, max_length=320, examples=["someone@example.org"])


class Person(BaseModel):
    """One person, by identifiers that all have to be theirs."""

    model_config = ConfigDict(extra="forbid")

    identifiers: list[Identifier] = Field(min_length=1, max_length=MOST_IDENTIFIERS)


class Wanted(BaseModel):
    """A request as it is made."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    people: list[Person] = Field(min_length=1, max_length=MOST_PEOPLE)
    rules: Rules | None = Field(None, description="The law whose deadline it has; left out, that of the installation.")


class Step(BaseModel):
    """One thing done to a request."""

    at: datetime
    actor: str
    action: str
    note: str = Field(description="A code; empty when there is nothing to add.")


class SubjectRequest(BaseModel):
    """A request, without a word of whom it means."""

    request: str
    kind: Kind
    status: State
    standing: Standing = Field(description="How it stands to its deadline.")
    rules: Rules
    requested_at: datetime
    due_on: date | None = Field(description="The last day on which an answer is in time.")
    confirm_by: datetime | None = Field(description="From when on it is too late to confirm the receipt.")
    confirmed_at: datetime | None
    extended: bool
    people: int
    doubtful: int | None = Field(description="Records left to a person; null without the scope `pii:read`.")
    reason: Refusal | None = Field(description="Why nothing was done; null otherwise.")
    history: list[Step]


class Recipient(BaseModel):
    """A destination that had been given the person: messages about the erasure by what became of them."""

    destination: str
    told: int
    pending: int
    failed: int = Field(description="Given up; `replay` of the destination tries again.")


class Recipients(BaseModel):
    """Whom the person had been given to."""

    data: list[Recipient]


class RequestPage(BaseModel):
    """A page of requests, oldest first."""

    data: list[SubjectRequest]
    next_cursor: str | None


class Identified(BaseModel):
    """How it was made sure that the person is who they say; what they showed is not kept."""

    model_config = ConfigDict(extra="forbid")

    how: Verification


class Approval(BaseModel):
    """Whether a large share of all profiles may be erased."""

    model_config = ConfigDict(extra="forbid")

    allow_many: bool = False


class Extension(BaseModel):
    """Why an answer takes longer."""

    model_config = ConfigDict(extra="forbid")

    why: Delay


class Refused(BaseModel):
    """Why nothing is done."""

    model_config = ConfigDict(extra="forbid")

    why: Refusal


class SignedReceipt(BaseModel):
    """The receipt as it was signed; `cdp privacy receipt` verifies it offline."""

    model_config = ConfigDict(extra="allow")

    receipt: dict[str, Any]
