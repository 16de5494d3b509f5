"""What a number is in journey analytics: a value that can be traced.

Every number that leaves this package carries its n, an interval where sampling makes it uncertain, and the name of the
query (SQL text, model, parameters) it came from. No data access here.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from journeys import statistics


class Frozen(BaseModel):
    """Immutable, closed to unknown fields, and ready for JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types: datetimes as ISO 8601, no NaN."""
        return self.model_dump(mode="json")


class Measure(Frozen):
    """One number: `value` in `unit` from `n` observations; `low`..`high` is its 95 % interval or null."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    unit: str = "people"
    query: str = ""


# What a query was given, so that it can be run again as it stands; moments are ISO texts.
Parameter = bool | int | float | str


class Query(Frozen):
    """The SQL behind numbers, as it ran with its parameters, and the published models it read.

    `statement` is the same with the values written in, so that it can be run on the snapshot as it stands; people who
    were chosen are the table `audience`, made by the query of that name.
    """

    models: tuple[str, ...]
    sql: str
    parameters: dict[str, Parameter | list[Parameter]]
    statement: str = ""


class Effect(Frozen):
    """A difference of two shares, exposed minus compared, with its 95 % interval."""

    value: float
    low: float
    high: float
    n_exposed: int
    n_compared: int
    rate_exposed: float | None = None
    rate_compared: float | None = None
    p_value: float | None = None
    method: str = ""


def share(hits: int, n: int, unit: str, query: str) -> Measure:
    """A share with its Wilson interval; null of nothing."""
    if n == 0:
        return Measure(value=None, n=0, unit=unit, query=query)
    low, high = statistics.wilson(hits, n)
    return Measure(value=hits / n, n=n, low=low, high=high, unit=unit, query=query)
