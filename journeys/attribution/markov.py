"""Markov removal effect, exactly: absorption probabilities by a linear solve, no simulation.

A first-order chain over start, channels, conversion and null is estimated from the paths (Anderl, Becker, von
Wangenheim & Schumann 2016). Removing a channel sends every move into it to null; its removal effect is the relative
loss of conversion probability, and credit is shared in proportion to removal effects. With `collapse` (the default)
repeats of a channel count once, so the chain has no moves from a channel to itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from journeys.attribution.model import ChannelPath, Credit, channels_of, collapse

Matrix = NDArray[np.float64]


def attribute(paths: list[ChannelPath], *, of_value: bool = False, collapsed: bool = True) -> Credit:
    """Credit by channel in proportion to removal effects; sums to all conversions (or their value)."""
    effects = removal_effects(paths, collapsed=collapsed)
    total = sum(path.value if of_value else path.conversions for path in paths if path.channels)
    scale = sum(effects.values())
    if scale <= 0:
        return dict.fromkeys(effects, 0.0)
    return {channel: total * effect / scale for channel, effect in effects.items()}


def removal_effects(paths: list[ChannelPath], *, collapsed: bool = True) -> Credit:
    """1 - P(conversion without the channel) / P(conversion), by channel."""
    channels = channels_of(paths)
    moves, converts = _chain(paths, channels, collapsed=collapsed)
    whole = _probability(moves, converts)
    if whole <= 0:
        return dict.fromkeys(channels, 0.0)
    effects: Credit = {}
    for index, channel in enumerate(channels, start=1):
        kept = [state for state in range(len(channels) + 1) if state != index]
        without = _probability(moves[np.ix_(kept, kept)], converts[kept])
        effects[channel] = 1.0 - without / whole
    return effects


def conversion_probability(paths: list[ChannelPath], *, collapsed: bool = True) -> float:
    """P(conversion) from the start of the chain."""
    return _probability(*_chain(paths, channels_of(paths), collapsed=collapsed))


def _chain(paths: list[ChannelPath], channels: list[str], *, collapsed: bool) -> tuple[Matrix, Matrix]:
    """Transition probabilities among start and channels, and straight to conversion; the rest goes to null."""
    place = {channel: index for index, channel in enumerate(channels, start=1)}
    counts = np.zeros((len(channels) + 1, len(channels) + 1))
    ends = np.zeros(len(channels) + 1)
    lost = np.zeros(len(channels) + 1)
    for path in paths:
        steps = collapse(path.channels) if collapsed else path.channels
        if not steps:
            continue
        weight = path.conversions + path.nulls
        states = [0, *(place[channel] for channel in steps)]
        np.add.at(counts, (states[:-1], states[1:]), weight)
        ends[states[-1]] += path.conversions
        lost[states[-1]] += path.nulls
    totals = counts.sum(axis=1) + ends + lost
    safe = np.where(totals > 0, totals, 1.0)
    return counts / safe[:, None], ends / safe


def _probability(moves: Matrix, converts: Matrix) -> float:
    """Absorption in conversion from the first state: solve (I - Q) x = r."""
    return float(np.linalg.solve(np.eye(len(moves)) - moves, converts)[0])
