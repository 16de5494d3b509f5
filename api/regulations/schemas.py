"""Regulations over the wire, in the names of Segment's Public API."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

# As there.
MOST_SUBJECTS = 5000
MOST_ON_A_PAGE = 1000

# What an erasure is: deleted everywhere, and kept from coming back; and the end of the latter. What deletes without
# the second, or does the second without the first, does not exist here.
RegulationType = Literal["SUPPRESS_WITH_DELETE", "UNSUPPRESS"]
SubjectType = Literal["USER_ID"]
Status = Literal["FAILED", "FINISHED", "INITIALIZED", "PARTIAL_SUCCESS", "RUNNING"]

RegulateId = Annotated[
    str,
    Path(
        description="The regulation's id, which is that of the subject request or of the lifting.",
        pattern=r"^(er|un)-[0-9]{8}-[0-9a-f]{12}$", examples=["er-20260131-0123456789ab"],
    ),
]  # fmt: skip
Count = Annotated[int, Query(alias="pagination[count]", ge=1, le=MOST_ON_A_PAGE, description="Regulations on a page.")]
AtCursor = Annotated[
    str | None, Query(alias="pagination[cursor]", max_length=600, description="`next` of the page before.")
]
InStatus = Annotated[Status | None, Query(description="Only regulations in this status.")]
OfTypes = Annotated[list[RegulationType] | None, Query(alias="regulationTypes", description="Only of these types.")]


class Named(BaseModel):
    """Names as they are there."""

    model_config = ConfigDict(alias_generator=to_camel)


class Wanted(Named):
    """A regulation as it is made."""

    regulation_type: RegulationType
    subject_type: SubjectType
    subject_ids: list[Annotated[str, Field(min_length=1, max_length=320)]] = Field(
        min_length=1, max_length=MOST_SUBJECTS, description="User ids, each of another person."
    )


class Made(Named):
    """The id of a regulation."""

    regulate_id: str


class MadeAnswer(Named):
    """A regulation was made."""

    data: Made


class DestinationStatus(Named):
    """Whether a destination that was given the people knows of their erasure."""

    name: str
    id: str
    status: Status


class StreamStatus(Named):
    """The destinations of a stream; there is one stream, of everything."""

    id: str
    destination_status: list[DestinationStatus]


class Regulation(Named):
    """A regulation, without a word of whom it means."""

    id: str
    workspace_id: str
    overall_status: Status
    created_at: str
    finished_at: str | None = None
    stream_status: list[StreamStatus] = Field(
        description="By destination, with the scope `pii:read`: that there are any tells that a person was known."
    )


class RegulationData(Named):
    """One regulation."""

    regulation: Regulation


class RegulationAnswer(Named):
    """One regulation."""

    data: RegulationData


class Entry(Named):
    """A regulation in a list."""

    id: str
    subject_type: SubjectType
    subjects: list[str] = Field(description="Empty: whom a request means is not kept readable.")
    status: Status
    created_at: str
    regulation_type: RegulationType
    finished_at: str | None = None


class Pagination(Named):
    """Where in the list a page is."""

    current: str
    next: str | None = None
    total_entries: int


class Entries(Named):
    """A page of regulations, oldest first."""

    regulations: list[Entry]
    pagination: Pagination


class EntriesAnswer(Named):
    """A page of regulations."""

    data: Entries


class Deleted(Named):
    """That it went."""

    status: Literal["SUCCESS"]


class DeletedAnswer(Named):
    """A regulation was deleted."""

    data: Deleted


class Error(Named):
    """One thing that is wrong."""

    type: str
    message: str
    field: str | None = None
    status: int


class Errors(Named):
    """What is wrong."""

    errors: list[Error]
