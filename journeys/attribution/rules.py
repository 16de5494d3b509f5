"""Rules that need one path only: first, last, linear, position (40/20/40), time decay.

`weight` says what is shared out: conversions or value. Position: two touches share half and half, one takes all; the
middle share is split equally over the middle touches (the common 40/20/40). Time decay halves every `half_life` days.
"""

from __future__ import annotations

from collections.abc import Callable

from cdp.errors import InputError
from journeys.attribution.model import ChannelPath, Credit

Shares = Callable[[ChannelPath], list[float]]
POSITION = (0.4, 0.2, 0.4)
HALF_LIFE = 7.0


def first(path: ChannelPath) -> list[float]:
    """All to the first touch."""
    return [1.0] + [0.0] * (len(path.channels) - 1)


def last(path: ChannelPath) -> list[float]:
    """All to the last touch."""
    return [0.0] * (len(path.channels) - 1) + [1.0]


def linear(path: ChannelPath) -> list[float]:
    """The same to every touch."""
    return [1.0 / len(path.channels)] * len(path.channels)


def position(path: ChannelPath) -> list[float]:
    """40 % to the first, 40 % to the last, 20 % over those between."""
    count = len(path.channels)
    if count <= 2:
        return [1.0 / count] * count
    begin, middle, end = POSITION
    return [begin] + [middle / (count - 2)] * (count - 2) + [end]


def time_decay(path: ChannelPath, half_life: float = HALF_LIFE) -> list[float]:
    """More the nearer to the end; without ages the touches count as one half-life apart."""
    ages = path.ages or tuple(half_life * (len(path.channels) - 1 - index) for index in range(len(path.channels)))
    nearest = min(ages)
    weights = [2.0 ** (-(age - nearest) / half_life) for age in ages]
    total = sum(weights)
    return [weight / total for weight in weights]


RULES: dict[str, Shares] = {
    "first": first,
    "last": last,
    "linear": linear,
    "position": position,
    "time_decay": time_decay,
}


def attribute(paths: list[ChannelPath], rule: str, *, of_value: bool = False) -> Credit:
    """Credit by channel; sums to all conversions (or their value) of paths that touched any channel."""
    if rule not in RULES:
        raise InputError(f"There is no attribution rule `{rule[:40]}`; choose one of {', '.join(RULES)}.")
    credit: Credit = {}
    for path in paths:
        weight = path.value if of_value else path.conversions
        if not path.channels:
            continue
        for channel, share in zip(path.channels, RULES[rule](path), strict=True):
            credit[channel] = credit.get(channel, 0.0) + weight * share
    return credit
