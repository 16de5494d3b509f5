"""What a resolution is told about its data: sources that hold a person once, extra columns, limits.

Values only; no I/O. The pipeline uses `PIPELINE`, the standalone command builds its own from a mapping file.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MatchConfig:
    """Facts about the input and the limits of matching; weights are log2 odds that two records are one person."""

    # Sources that keep one record per person: two of their records are never joined.
    unique_sources: tuple[str, ...] = ()
    # (feature column, `exact` or `text`) compared beside the personal fields.
    extra: tuple[tuple[str, str], ...] = ()
    # An edge joins when it is more likely than not that the two records are one person.
    join_weight: float = 0.0
    # Below this a pair is not even worth a look in review; it is not kept.
    keep_weight: float = -3.0
    # No person has this many records; what grows past it is stopped and shown.
    cluster_cap: int = 100
    # Fewer records than this cannot train a model: priors are used.
    train_from: int = 1000
    # More distinct people than this behind one value make it a hub. A household fits below, a shop does not.
    hub_names: tuple[tuple[str, int], ...] = (("email", 4), ("phone", 6), ("address", 20))
    # Whoever they are, this many records behind one mail address or phone are no one person's.
    hub_records: int = 100
    # Candidate pairs per record that one blocking rule may cost.
    pairs_per_record: float = 6.0
    country: str = "US"
    seed: int = 1


PIPELINE = MatchConfig(unique_sources=("sales", "support", "web"))
