"""A channel path: the channels touched in order, how often it ended in conversion, its value, how often in nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChannelPath:
    """Journeys with the same channels in the same order. `ages` are days before the end, as long as `channels`."""

    channels: tuple[str, ...]
    conversions: float = 0.0
    value: float = 0.0
    nulls: float = 0.0
    ages: tuple[float, ...] = ()


Credit = dict[str, float]


def collapse(channels: tuple[str, ...]) -> tuple[str, ...]:
    """Repeats of a channel right after each other count once."""
    return tuple(channel for index, channel in enumerate(channels) if index == 0 or channel != channels[index - 1])


def channels_of(paths: list[ChannelPath]) -> list[str]:
    """All channels, sorted."""
    return sorted({channel for path in paths for channel in path.channels})
