"""Corrections of what sources say about a person (Art. 16 GDPR), as types. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

# What can be corrected: traits that records state. The full name follows from its parts and is corrected with them.
Field = Literal[
    "first_name", "last_name", "email", "phone", "birth_date", "street", "city", "region", "postcode", "country"
]
FIELDS: tuple[Field, ...] = get_args(Field)
FULL_NAME = "full_name"
NAME_PARTS: tuple[Field, ...] = ("first_name", "last_name")
# Parts of one address: which records hold it is judged by all of them together.
ADDRESS: tuple[Field, ...] = ("street", "city", "region", "postcode", "country")

# `until_changed`: as long as the source says of these fields what it said when they were corrected.
Lasts = Literal["for_good", "until_changed"]
LASTS: tuple[Lasts, ...] = get_args(Lasts)


@dataclass(frozen=True)
class Place:
    """One field of one source record, and its right value in normal form; None when it has none.

    `replaced` is a digest of what the source said when the correction was first carried out, None before.
    """

    source: str
    source_record_id: str
    field: str
    value: str | None
    replaced: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is the right value of."""
        return self.source, self.source_record_id, self.field

    @property
    def record(self) -> str:
        """The record, SOURCE:ID."""
        return f"{self.source}:{self.source_record_id}"


@dataclass(frozen=True)
class Withdrawal:
    """Who took a correction back, and when."""

    recorded_by: str
    recorded_at: datetime


@dataclass(frozen=True)
class Correction:
    """What was put right about a person, by whom and when; `profile_id` is the id that the person had then.

    `request` is the subject request that asked for it. `seq`, `correction_id` and `recorded_at` are set by the store.
    """

    profile_id: str
    places: tuple[Place, ...]
    recorded_by: str
    lasts: Lasts = "for_good"
    request: str | None = None
    seq: int = 0
    correction_id: str = ""
    recorded_at: datetime | None = None
    withdrawn: Withdrawal | None = None

    @property
    def active(self) -> bool:
        """Whether it was not taken back."""
        return self.withdrawn is None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it is about, in order."""
        return tuple(sorted({place.field for place in self.places}))


@dataclass(frozen=True)
class InForce:
    """What a run receives: the correction that counts for a field of a record. `place.replaced` as in `Place`."""

    correction_id: str
    lasts: Lasts
    place: Place
