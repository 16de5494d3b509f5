"""Corrections over the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from cdp.domain.corrections import Lasts

CorrectionId = Annotated[str, Path(min_length=1, max_length=40, description="The id of a correction.")]
Record = Annotated[str, Field(min_length=3, max_length=500)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class RightValue(_Strict):
    """A field and its right value."""

    field: str = Field(
        min_length=1, max_length=40, examples=["email"],
        description="first_name, last_name, email, phone, birth_date, street, city, region, postcode or country.",
    )  # fmt: skip
    value: str | None = Field(
        max_length=300, description="Null when there is none: what the source says is not theirs."
    )


class NewCorrection(_Strict):
    """What is to be put right; a correction takes effect with the next run."""

    values: list[RightValue] = Field(min_length=1, max_length=10)
    records: list[Record] = Field(
        [], max_length=50, examples=[["web:u_12"]],
        description="Where, as SOURCE:ID; else on every record that states what the profile shows.",
    )  # fmt: skip
    lasts: Lasts = Field("for_good", description="`until_changed`: until the source says something else by itself.")
    request: str | None = Field(None, max_length=60, description="The approved subject request that asks for it.")


class Where(BaseModel):
    """A field of a record that was put right. Masked without `pii:read`: the value and the record's id."""

    source: str
    source_record_id: str
    field: str
    value: str | None
    standing: Literal["applied", "source_agrees", "source_differs", "ended", "record_gone"] | None = Field(
        description="What the source says meanwhile; null until a run has carried it out."
    )
    profile_id: str | None = Field(description="The profile that holds the record now.")


class Correction(BaseModel):
    """What was put right; `profile_id` is the id that the person had then."""

    correction: str
    profile_id: str
    fields: list[str]
    lasts: Lasts
    request: str | None
    recorded_by: str
    recorded_at: datetime
    withdrawn_by: str | None
    withdrawn_at: datetime | None
    effective: Literal["now", "next run", "until the next run", "no more"]
    where: list[Where]


class Corrections(BaseModel):
    """A page of the corrections of the records that a profile holds, newest first."""

    profile_id: str
    data: list[Correction]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null after the last.")
