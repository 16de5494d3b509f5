"""Answers about where people stand, over the wire. They hold counts, shares and rules, no personal data."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Open(BaseModel):
    """Documents what is always there; the rest is explained where it is made."""

    model_config = ConfigDict(extra="allow")


class Number(Open):
    """A measured number with what it rests on."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    unit: str


class Persona(Open):
    """One kind of customer."""

    key: str
    title: str
    description: str
    rule: str = Field(description="Who belongs to it, in words.")
    is_rest: bool
    people: Number
    share: Number
    stages: dict[str, Number] = Field(description="Where its people stand now, as shares.")


class Personas(Open):
    """All personas; everybody in scope is in exactly one."""

    personas: list[Persona]
    people: int


class CorrelationCell(Open):
    """One level of a factor against all others."""

    outcome: str
    factor: str
    level: str
    value: Number
    others: Number
    difference: dict[str, Any] | None
    q_value: float | None
    associated: bool
    sentence: str


class Correlations(Open):
    """What goes with retention, lapse and value. Association, never cause."""

    basis: str
    customers: int
    cells: list[CorrelationCell]


class PredictionCard(Open):
    """What predictions rest on and how they came out."""

    as_of: datetime
    horizon_days: int
    split_at: datetime | None
    coverage: dict[str, int]
    models: list[dict[str, Any]]
    checks: list[dict[str, Any]]
    wording: str


class StageRules(Open):
    """The stage rules that are served and what each change of them did."""

    stage_set: str
    version: int
    stages: list[dict[str, Any]]
    versions: list[dict[str, Any]]
