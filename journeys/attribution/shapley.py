"""Shapley values of channels: exact up to twelve, sampled above.

Two games are known. From paths, a coalition of channels is worth the conversions of all paths that touched no channel
outside it (Zhao, Mahboobi & Bagheri 2018): the values sum to all conversions and are computed in closed form for any
number of channels, since each path's conversions are split equally over the channels it touched. From a table of worths
by coalition (`values`), the sum runs over subsets exactly or over sampled orders with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from math import factorial

import numpy as np

from journeys.attribution.model import ChannelPath, Credit

EXACT_CHANNELS = 12
SAMPLED_ORDERS = 20_000


def attribute(paths: list[ChannelPath], *, of_value: bool = False) -> Credit:
    """Credit by channel in the game of paths; sums to all conversions (or their value)."""
    credit: Credit = {}
    for path in paths:
        touched = sorted(set(path.channels))
        weight = path.value if of_value else path.conversions
        for channel in touched:
            credit[channel] = credit.get(channel, 0.0) + weight / len(touched)
    return credit


def cumulated(ratios: Mapping[frozenset[str], float]) -> Callable[[frozenset[str]], float]:
    """The worth of a coalition as the sum of the ratios of its subsets."""
    known = dict(ratios)
    return lambda coalition: sum(ratio for subset, ratio in known.items() if subset <= coalition)


def values(
    channels: list[str], worth: Callable[[frozenset[str]], float], *, orders: int = SAMPLED_ORDERS, seed: int = 7
) -> Credit:
    """Shapley values of a game given by the worth of coalitions."""
    if len(channels) <= EXACT_CHANNELS:
        return _exact(channels, worth)
    return _sampled(channels, worth, orders, seed)


def _exact(channels: list[str], worth: Callable[[frozenset[str]], float]) -> Credit:
    count = len(channels)
    known = {
        frozenset(group): worth(frozenset(group)) for size in range(count + 1) for group in combinations(channels, size)
    }
    credit: Credit = {}
    for channel in channels:
        others = [each for each in channels if each != channel]
        credit[channel] = sum(
            factorial(size) * factorial(count - size - 1) / factorial(count)
            * (known[frozenset((*group, channel))] - known[frozenset(group)])
            for size in range(count)
            for group in combinations(others, size)
        )  # fmt: skip
    return credit


def _sampled(channels: list[str], worth: Callable[[frozenset[str]], float], orders: int, seed: int) -> Credit:
    """Mean marginal worth over random orders, each used forwards and backwards to halve the noise."""
    random = np.random.default_rng(seed)
    credit = dict.fromkeys(channels, 0.0)
    rounds = max(orders // 2, 1)
    for _ in range(rounds):
        order = [channels[index] for index in random.permutation(len(channels))]
        for walk in (order, order[::-1]):
            held: frozenset[str] = frozenset()
            before = worth(held)
            for channel in walk:
                held |= {channel}
                after = worth(held)
                credit[channel] += (after - before) / (2 * rounds)
                before = after
    return credit
