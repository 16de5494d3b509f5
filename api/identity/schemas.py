"""Identity over the wire. Records are named by key, SOURCE:ID, which is no personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

RecordKey = Annotated[
    str, Field(min_length=3, max_length=300, pattern=r"^[^:\x00]+:[^\x00]+$", examples=["sales:c000001"])
]
AskedRecord = Annotated[
    str,
    Query(min_length=3, max_length=300, pattern=r"^[^:\x00]+:[^\x00]+$", description="A source record, SOURCE:ID."),
]
# A profile id, or one of its records.
Name = Annotated[str, Field(min_length=3, max_length=300, pattern=r"^[^\x00]+$", examples=["sales:c000001"])]
DecisionId = Annotated[str, Path(max_length=64, pattern=r"^[0-9A-Za-z_-]+$", description="The decision's id.")]
Note = Annotated[str | None, Field(max_length=2000, description="Why; kept with the decision.")]
Effective = Annotated[
    Literal["now", "next run", "until the next run", "no more"],
    Field(description="When the decision counts in what is served."),
]


class Question(BaseModel):
    """Are these two records one person? `value` orders the queue: what one answer would change or teach."""

    record_a: str
    record_b: str
    profile_a: str
    profile_b: str
    probability: float
    joined: bool = Field(description="Whether they are one profile now.")
    reason: str
    value: float


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Merge(_Strict):
    """Two profiles, named by id or by one of their records, are one person."""

    kind: Literal["merge"]
    a: Name
    b: Name
    note: Note = None


class Split(_Strict):
    """Some records of a profile are another person's."""

    kind: Literal["split"]
    profile: Name
    records: list[RecordKey] = Field(min_length=1, max_length=200)
    note: Note = None


class Answer(_Strict):
    """Two records are, or are not, one person: the answer to a question of the review."""

    kind: Literal["same", "different"]
    record_a: RecordKey
    record_b: RecordKey
    note: Note = None


NewDecision = Annotated[Merge | Split | Answer, Field(discriminator="kind")]


class Withdrawal(_Strict):
    """Why a decision is taken back."""

    note: Note = None


class Signature(BaseModel):
    """Who, when and why."""

    name: str
    at: datetime
    note: str | None


class Link(BaseModel):
    """Two records that are always, or never, one person."""

    kind: Literal["always", "never"]
    record_a: str
    record_b: str


class Decision(BaseModel):
    """What somebody decided; it holds until it is withdrawn."""

    decision_id: str
    kind: Literal["merge", "split", "same", "different"]
    author: Signature
    links: list[Link]
    withdrawn: Signature | None
    effective: Effective


class Part(BaseModel):
    """One comparison: its finding, and its weight (log2) against strangers and against people of one home."""

    field: str
    finding: str
    against_strangers: float
    rarity: float
    against_home: float


class Step(BaseModel):
    """An edge on the way from one record to the other."""

    record_a: str
    record_b: str
    probability: float
    by: str


class Refusal(BaseModel):
    """A merge that did not happen, and why."""

    record_a: str
    record_b: str
    reason: str
    probability: float


class Ruling(BaseModel):
    """A link of a decision between the profiles."""

    decision_id: str
    kind: Literal["always", "never"]
    record_a: str
    record_b: str
    effective: Effective


class Compared(BaseModel):
    """What the two records say of one field, as it is compared; `***` without `pii:read`."""

    field: str
    a: str | None
    b: str | None


class Explanation(BaseModel):
    """Why two records are one person, or are not. Weights are log2 odds."""

    record_a: str
    record_b: str
    profile_a: str
    profile_b: str
    weight: float
    probability: float
    start_strangers: float
    start_home: float
    against_strangers: float
    against_home: float
    parts: list[Part]
    path: list[Step]
    refusals: list[Refusal]
    decisions: list[Ruling]
    model_version: str
    words: list[str]
    fields: list[Compared]


class Happened(BaseModel):
    """An identity event; `at` is the data's now of the run."""

    seq: int
    at: datetime
    run_id: str
    kind: str = Field(description="created, merged, split, moved, restored or retired.")
    profile_id: str
    others: list[str] = Field(description="Into, from or to which profiles.")
    reason: str


class History(BaseModel):
    """What became of a profile id, from the first event on."""

    profile_id: str
    status: str
    lives_on_as: str | None = Field(description="Of a merged id: the living profile.")
    records: list[str]
    events: list[Happened]
