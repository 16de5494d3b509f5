"""Credit of every model, for the paths as they are and for many resampled ones: how sure a credit is.

Paths are weighed anew (Poisson bootstrap: each journey counts zero, one or more times, seeded), and every model gives
its credit again; the 95 % interval is the middle of what it gave. Rules and Shapley are sums over paths and the Markov
chain needs sums over paths only, so all draws together are a matrix product; paths go through it in chunks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from journeys.attribution import markov, rules
from journeys.attribution.model import ChannelPath, channels_of

Matrix = NDArray[np.float64]
ROUNDS = 200
SEED = 20_190_417
_CHUNK = 5_000


@dataclass(frozen=True)
class Credits:
    """Credit by channel, in the order of `channels`, with the ends of its 95 % interval."""

    channels: tuple[str, ...]
    value: Matrix
    low: Matrix
    high: Matrix


def credits(
    paths: list[ChannelPath], models: tuple[str, ...], *, half_life: float = rules.HALF_LIFE
) -> tuple[dict[str, Credits], dict[str, Credits]]:
    """Credit for conversions and credit for their value, by model; each sums to the total of paths with a touch."""
    touched = [path for path in paths if path.channels]
    channels = channels_of(touched)
    random = np.random.default_rng(SEED)
    sums = {model: _Sums(len(channels)) for model in models}
    for start in range(0, len(touched), _CHUNK):
        chunk = touched[start : start + _CHUNK]
        weights = _Weights.drawn(chunk, random)
        for model, each in sums.items():
            if model == "markov":
                each.add_moves(weights, *markov.features(chunk, channels))
            else:
                each.add_shares(weights, _shares(chunk, channels, model, half_life))
    names = tuple(channels)
    return (
        {model: _middle(names, each.credit(each.conversions, model)) for model, each in sums.items()},
        {model: _middle(names, each.credit(each.value, model)) for model, each in sums.items()},
    )


@dataclass(frozen=True)
class _Weights:
    """Weights of paths (draws x paths): the first row as they are, the others resampled."""

    conversions: Matrix
    nulls: Matrix
    value: Matrix

    @classmethod
    def drawn(cls, paths: list[ChannelPath], random: np.random.Generator) -> _Weights:
        conversions = np.array([path.conversions for path in paths], dtype=np.float64)
        nulls = np.array([path.nulls for path in paths], dtype=np.float64)
        value = np.array([path.value for path in paths], dtype=np.float64)
        each = value / np.maximum(conversions, 1.0)
        counted = np.vstack([conversions, random.poisson(conversions, (ROUNDS, len(paths)))])
        lost = np.vstack([nulls, random.poisson(nulls, (ROUNDS, len(paths)))])
        return cls(counted, lost, np.vstack([value, counted[1:] * each]))


class _Sums:
    """What a model needs, summed over paths: shares of channels, or the moves of a chain (one row a draw)."""

    def __init__(self, channels: int) -> None:
        states = channels + 1
        self._channels = channels
        self.conversions, self.value = np.zeros((ROUNDS + 1, channels)), np.zeros((ROUNDS + 1, channels))
        self._moves = np.zeros((ROUNDS + 1, states * states))
        self._converted, self._lost = np.zeros((ROUNDS + 1, states)), np.zeros((ROUNDS + 1, states))

    def add_shares(self, weights: _Weights, shares: Matrix) -> None:
        self.conversions += weights.conversions @ shares
        self.value += weights.value @ shares

    def add_moves(self, weights: _Weights, moves: Matrix, ends: Matrix) -> None:
        self._moves += (weights.conversions + weights.nulls) @ moves
        self._converted += weights.conversions @ ends
        self._lost += weights.nulls @ ends
        # The chain shares out the totals, which are kept as if the first channel had them all.
        if self._channels:
            self.conversions[:, 0] += weights.conversions.sum(axis=1)
            self.value[:, 0] += weights.value.sum(axis=1)

    def credit(self, totals: Matrix, model: str) -> Matrix:
        if model != "markov":
            return totals
        size = self._channels + 1
        found = np.zeros_like(totals)
        for row in range(len(totals)):
            chain = markov.Chain(self._moves[row].reshape(size, size), self._converted[row], self._lost[row])
            effects = chain.removal_effects()
            scale = effects.sum()
            if scale > 0:
                found[row] = totals[row].sum() * effects / scale
        return found


def _middle(channels: tuple[str, ...], drawn: Matrix) -> Credits:
    low, high = np.percentile(drawn[1:], (2.5, 97.5), axis=0)
    return Credits(channels, drawn[0], low, high)


def _shares(paths: list[ChannelPath], channels: list[str], model: str, half_life: float) -> Matrix:
    """What each path gives each channel, as a share (paths x channels)."""
    place = {channel: index for index, channel in enumerate(channels)}
    found = np.zeros((len(paths), len(channels)))
    for row, path in enumerate(paths):
        if model == "shapley":
            touched = set(path.channels)
            for channel in touched:
                found[row, place[channel]] = 1.0 / len(touched)
            continue
        share = rules.time_decay(path, half_life) if model == "time_decay" else rules.RULES[model](path)
        for channel, part in zip(path.channels, share, strict=True):
            found[row, place[channel]] += part
    return found
