"""Markov removal effect, exactly: absorption probabilities by a linear solve, no simulation.

A first-order chain over start, channels, conversion and null is estimated from the paths (Anderl, Becker, von
Wangenheim & Schumann 2016). Removing a channel sends every move into it to null; its removal effect is the relative
loss of conversion probability, and credit is shared in proportion to removal effects. With `collapse` (the default)
repeats of a channel count once, so the chain has no moves from a channel to itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journeys.attribution.model import ChannelPath, Credit, channels_of, collapse

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Chain:
    """Counted moves among start (0) and channels, and counted ends in conversion and in nothing, by last state."""

    moves: Matrix
    converted: Matrix
    lost: Matrix

    @classmethod
    def of(cls, paths: list[ChannelPath], channels: list[str], *, collapsed: bool = True) -> Chain:
        """The chain of these paths."""
        moves, ends = features(paths, channels, collapsed=collapsed)
        conversions = np.array([path.conversions for path in paths])
        nulls = np.array([path.nulls for path in paths])
        size = len(channels) + 1
        return cls(((conversions + nulls) @ moves).reshape(size, size), conversions @ ends, nulls @ ends)

    def removal_effects(self) -> Matrix:
        """1 - P(conversion without the channel) / P(conversion), by channel; zeros when nothing converts."""
        moves, converts = self._probabilities()
        count = len(converts) - 1
        whole = _absorbed(moves, converts)
        effects = np.zeros(count)
        for index in range(1, count + 1) if whole > 0 else ():
            kept = [state for state in range(count + 1) if state != index]
            effects[index - 1] = 1.0 - _absorbed(moves[np.ix_(kept, kept)], converts[kept]) / whole
        return effects

    def conversion_probability(self) -> float:
        """P(conversion) from the start."""
        return _absorbed(*self._probabilities())

    def _probabilities(self) -> tuple[Matrix, Matrix]:
        """Transition probabilities among start and channels, and straight to conversion; the rest goes to null."""
        totals = self.moves.sum(axis=1) + self.converted + self.lost
        safe = np.where(totals > 0, totals, 1.0)
        return self.moves / safe[:, None], self.converted / safe


def features(paths: list[ChannelPath], channels: list[str], *, collapsed: bool = True) -> tuple[Matrix, Matrix]:
    """How often each path makes each move (paths x states²), and its last state (paths x states, one of them 1).

    A path without channels makes no move and has no last state.
    """
    place = {channel: index for index, channel in enumerate(channels, start=1)}
    size = len(channels) + 1
    moves, ends = np.zeros((len(paths), size * size)), np.zeros((len(paths), size))
    for number, path in enumerate(paths):
        steps = collapse(path.channels) if collapsed else path.channels
        if not steps:
            continue
        states = np.array([0, *(place[channel] for channel in steps)])
        np.add.at(moves[number], states[:-1] * size + states[1:], 1.0)
        ends[number, states[-1]] = 1.0
    return moves, ends


def attribute(paths: list[ChannelPath], *, of_value: bool = False, collapsed: bool = True) -> Credit:
    """Credit by channel in proportion to removal effects; sums to all conversions (or their value)."""
    effects = removal_effects(paths, collapsed=collapsed)
    total = sum(path.value if of_value else path.conversions for path in paths if path.channels)
    scale = sum(effects.values())
    if scale <= 0:
        return dict.fromkeys(effects, 0.0)
    return {channel: total * effect / scale for channel, effect in effects.items()}


def removal_effects(paths: list[ChannelPath], *, collapsed: bool = True) -> Credit:
    """Removal effects by channel."""
    channels = channels_of(paths)
    effects = Chain.of(paths, channels, collapsed=collapsed).removal_effects()
    return {channel: float(effect) for channel, effect in zip(channels, effects, strict=True)}


def conversion_probability(paths: list[ChannelPath], *, collapsed: bool = True) -> float:
    """P(conversion) from the start of the chain."""
    return Chain.of(paths, channels_of(paths), collapsed=collapsed).conversion_probability()


def _absorbed(moves: Matrix, converts: Matrix) -> float:
    """Absorption in conversion from the first state: solve (I - Q) x = r."""
    return float(np.linalg.solve(np.eye(len(moves)) - moves, converts)[0])
