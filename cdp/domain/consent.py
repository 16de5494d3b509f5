"""What a person says about the use of their data, as types: purposes, and the entries of the consent ledger. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

# `sharing` is the sale of data, and its sharing for advertising across services of others.
Purpose = Literal["marketing", "personalisation", "analytics", "service", "sharing"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)

# Whatever the data are used for: the purpose of restrictions.
EVERYTHING = "*"

# `objected` is the right of Art. 21 GDPR, `restricted` and `lifted` that of Art. 18.
State = Literal["given", "withdrawn", "objected", "restricted", "lifted"]
STATES: tuple[State, ...] = get_args(State)
REFUSALS: tuple[State, ...] = ("withdrawn", "objected", "restricted")

# Who speaks: the person, or another system that says what the person told it once.
Origin = Literal["person", "import"]


@dataclass(frozen=True)
class Statement:
    """One entry of the ledger: what was said about a profile and purpose, when, where, and how that can be shown.

    `at` is when it was said, `recorded_at` and `recorded_by` when and by whom it was written down. `records` are the
    source records, (source, source_record_id), that the profile held then: what was said stays with them when the
    profile is split. `seq` and `recorded_at` are set by the store. `request` is the subject request that it answers.
    """

    profile_id: str
    purpose: str
    state: State
    at: datetime
    channel: str
    recorded_by: str
    text_version: str | None = None
    proof: str | None = None
    origin: Origin = "person"
    records: tuple[tuple[str, str], ...] = ()
    seq: int = 0
    recorded_at: datetime | None = None
    request: str | None = None
