"""The matching model: per comparison level the shares among records of one person, strangers and housemates.

A pair is weighed against two alternatives, that it is two strangers and that it is two people of one household, and the
stronger alternative counts:

    weight = -log2(2^-W_strangers + 2^-W_home),   W_x = log2(prior_same / prior_x) + sum over fields log2(m / share_x)

Splink computes W_strangers, rarity of names included; W_home follows from the levels it found. A model is plain values,
kept as JSON under its version. This module holds no connection and trains nothing.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from cdp.ids import digest
from identity.comparisons import Comparison, comparisons

# Levels are told from the weights that Splink returns, so no two of a comparison, nor "missing" (0), may coincide.
_GAP = 1e-4


@dataclass(frozen=True)
class Shares:
    """Shares of each level (best first, as in the comparison) in the three kinds of pair."""

    m: tuple[float, ...]
    u: tuple[float, ...]
    h: tuple[float, ...]


@dataclass(frozen=True)
class Model:
    """Everything that scoring needs besides the frequencies of names, which are kept beside it."""

    kind: str  # 'prior' or 'trained'
    records: int
    prior_same: float  # share of all pairs of records that are one person
    prior_home: float  # share that are two people of one household
    shares: dict[str, Shares]
    extra: tuple[tuple[str, str], ...]
    limits: dict[str, int]
    refused: dict[str, str]

    @property
    def version(self) -> str:
        """A name made of the content: equal models have equal versions."""
        return f"{self.kind}-{digest(self.to_json())[:12]}"

    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons in the order of `shares`."""
        return comparisons(self.extra)

    def to_json(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Model:
        """The inverse of `to_json`."""
        values: dict[str, Any] = json.loads(text)
        values["shares"] = {name: Shares(**{k: tuple(v) for k, v in s.items()}) for name, s in values["shares"].items()}
        values["extra"] = tuple((column, kind) for column, kind in values["extra"])
        return Model(**values)

    def stranger_weights(self, name: str) -> list[float]:
        """log2(m/u) per level, kept apart from each other and from 0 by a hair."""
        shares = self.shares[name]
        taken: list[float] = [0.0]
        for m, u in zip(shares.m, shares.u, strict=True):
            weight = math.log2(m / u)
            while any(abs(weight - other) < _GAP for other in taken):
                weight += _GAP * 1.5
            taken.append(weight)
        return taken[1:]

    def home_weights(self, name: str) -> list[float]:
        """log2(m/h) per level."""
        shares = self.shares[name]
        return [math.log2(m / h) for m, h in zip(shares.m, shares.h, strict=True)]

    def splink_settings(self) -> dict[str, Any]:
        """The settings dictionary of Splink 5 for scoring."""
        return {
            "link_type": "dedupe_only",
            "unique_id_column_name": "unique_id",
            "probability_two_random_records_match": self.prior_same,
            "blocking_rules_to_generate_predictions": [],
            "retain_matching_columns": False,
            "retain_intermediate_calculation_columns": True,
            "comparisons": [self._splink_comparison(comparison) for comparison in self.comparisons()],
        }

    def _splink_comparison(self, comparison: Comparison) -> dict[str, Any]:
        levels: list[dict[str, Any]] = [
            {"sql_condition": comparison.missing, "label_for_charts": "not stated", "is_null_level": True}
        ]
        shares, weights = self.shares[comparison.name], self.stranger_weights(comparison.name)
        for level, u, weight in zip(comparison.levels, shares.u, weights, strict=True):
            entry = {
                "sql_condition": level.sql,
                "label_for_charts": level.words,
                "m_probability": u * 2.0**weight,
                "u_probability": u,
            }
            if level.rarity:
                entry |= {
                    "tf_adjustment_column": level.rarity,
                    "tf_adjustment_weight": 1.0,
                    "disable_tf_exact_match_detection": True,
                }
            levels.append(entry)
        return {
            "output_column_name": comparison.name,
            "comparison_description": comparison.name,
            "comparison_levels": levels,
        }

    def level_sql(self, name: str, values: list[float], *, missing: float = 0.0) -> str:
        """SQL that maps Splink's weight column of a comparison to `values`, one per level, or to `missing`."""
        known = sorted(zip([0.0, *self.stranger_weights(name)], [missing, *values], strict=True))
        cases = [
            f"when mw_{name} < {double((here[0] + above[0]) / 2)} then {double(here[1])}"
            for here, above in pairwise(known)
        ]
        return f"case {' '.join(cases)} else {double(known[-1][1])} end"


def double(value: float) -> str:
    """An SQL literal that is a DOUBLE; without an exponent it would be a decimal, which overflows in sums."""
    return f"{value:.17e}"


def prior_model(
    records: int, extra: tuple[tuple[str, str], ...], limits: dict[str, int], refused: dict[str, str]
) -> Model:
    """A model of beliefs, for tables too small to learn from.

    Prior odds assume that a record has one other record of its person and one of a housemate: among n records about n/2
    such pairs out of n(n-1)/2.
    """
    size = max(records, 20)
    return Model(
        kind="prior",
        records=records,
        prior_same=1 / size,
        prior_home=0.5 / size,
        shares={comparison.name: prior_shares(comparison, records) for comparison in comparisons(extra)},
        extra=extra,
        limits=limits,
        refused=refused,
    )


def prior_shares(comparison: Comparison, records: int) -> Shares:
    """The shares a comparison starts from, with `scaled` ones brought to the size of the table."""
    scale = 10_000 / max(records, 100)
    u = [max(level.u * scale, 1e-9) if level.u_is == "scaled" else level.u for level in comparison.levels]
    shares = Shares(
        normalised([level.m for level in comparison.levels]),
        normalised(u, keep_last=False),
        normalised([level.h for level in comparison.levels]),
    )
    return ordered(comparison, shares)


def ordered(comparison: Comparison, shares: Shares) -> Shares:
    """The same shares, a slip nowhere stronger evidence than the agreement it is a slip of.

    Rare levels are seen so seldom among strangers and housemates that their shares there would be taken for nothing.
    """
    u, h = list(shares.u), list(shares.h)
    for place, level in enumerate(comparison.levels):
        if level.slip:
            for other in (u, h):
                other[place] = max(other[place], other[0] * shares.m[place] / shares.m[0])
    return Shares(shares.m, normalised(u, keep_last=False), normalised(h, keep_last=False))


def normalised(values: list[float], *, keep_last: bool = True) -> tuple[float, ...]:
    """Shares that add up to one; with `keep_last=False` the last level takes what the others leave."""
    if not keep_last:
        values = [*values[:-1], max(1.0 - sum(values[:-1]), 0.01)]
    total = sum(values)
    return tuple(value / total for value in values)
