"""What a new model would weigh otherwise: the drift of parameters between two versions, in plain words.

A weight is log2 of the share among records of one person over the share among strangers, or among housemates. Two
models over the same comparisons are compared level by level; the report holds words of levels and numbers, never data.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import duckdb

from identity.model import Model


@dataclass(frozen=True)
class LevelDrift:
    """One level of one comparison: its weights before and after."""

    field: str
    level: str
    strangers_before: float
    strangers_after: float
    home_before: float
    home_after: float

    @property
    def moved(self) -> float:
        """The larger of the two moves, in weight."""
        return max(abs(self.strangers_after - self.strangers_before), abs(self.home_after - self.home_before))


@dataclass(frozen=True)
class Drift:
    """From one model to the next; `levels` the most moved first, priors as log2 odds of two random records."""

    before: str
    after: str
    records_before: int
    records_after: int
    prior_before: float
    prior_after: float
    levels: list[LevelDrift]

    def to_json(self) -> dict[str, Any]:
        """As `cdp identity models --json` prints it."""
        return {**asdict(self), "largest_move": self.largest_move}

    @property
    def largest_move(self) -> float:
        """The weight that the most moved level moved by."""
        return self.levels[0].moved if self.levels else 0.0


def between(before: Model, after: Model) -> Drift:
    """The drift of all levels that both models have."""
    levels = []
    for comparison in after.comparisons():
        name = comparison.name
        if name not in before.shares or len(before.shares[name].m) != len(after.shares[name].m):
            continue
        weights = zip(
            comparison.levels,
            before.stranger_weights(name),
            after.stranger_weights(name),
            before.home_weights(name),
            after.home_weights(name),
            strict=True,
        )
        levels += [LevelDrift(name, level.words, *values) for level, *values in weights]
    return Drift(
        before=before.version,
        after=after.version,
        records_before=before.records,
        records_after=after.records,
        prior_before=_log_odds(before.prior_same),
        prior_after=_log_odds(after.prior_same),
        levels=sorted(levels, key=lambda level: (-level.moved, level.field, level.level)),
    )


def kept(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All models ever in force, the newest first: version, kind, records, when and by which run, whether in force."""
    rows = connection.execute(
        "select model_version, records, created_run, created_at, active from identity.state_models "
        "order by created_at desc, active desc, created_run desc"
    ).fetchall()
    names = ("version", "records", "created_run", "created_at", "active")
    return [{**dict(zip(names, row, strict=True)), "kind": row[0].partition("-")[0]} for row in rows]


def latest(connection: duckdb.DuckDBPyConnection) -> Drift | None:
    """From the model before to the one in force; None when there was none before."""
    rows = connection.execute(
        "select settings from identity.state_models order by active desc, created_at desc, created_run desc limit 2"
    ).fetchall()
    if len(rows) < 2:
        return None
    after, before = (Model.from_json(settings) for (settings,) in rows)
    return between(before, after)


def _log_odds(share: float) -> float:
    return math.log2(share / (1 - share))
