"""Web visits: which steps of the journey show on the web, on which device, at what time, logged in or not.

A person's account is opened in the first visit that needs it; from then on some visits are logged in and all web
purchases are. Steps are days; the hour is drawn here, in the local time of the visitor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.actors import Actors
from demo.dice import Bools, Dice, Ints, chance, cumulative, pick
from demo.journey import CONSIDERATION, WEB, Journey, Steps
from demo.lines import MS_PER_DAY
from demo.places import CALENDAR_DAYS, places
from demo.plan import Plan
from demo.scenario import Web

EPOCH_MS = int(np.datetime64("2024-01-01", "ms").astype(np.int64))
CHANNELS = ("organic", "paid_search", "social", "email", "direct")
_CHANNEL_WEIGHTS = (0.40, 0.27, 0.14, 0.12, 0.07)
# Visits by local hour: quiet nights, a bump at noon, a peak in the evening.
_WEB_HOURS = (2, 1, 1, 0.5, 0.5, 1, 2, 4, 5, 6, 6, 6, 8, 7, 6, 6, 6, 7, 8, 10, 11, 10, 7, 4)
_SHOP_HOURS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 5, 7, 8, 7, 6, 6, 7, 9, 8, 4, 0, 0, 0, 0)


@dataclass(frozen=True)
class Visits:
    """One row per visit, ordered by actor and day; `step` indexes the steps of the journey."""

    step: Ints
    actor: Ints
    start: Ints
    stage: Ints
    device: Ints
    # Number of the anonymous id: two per device, the second after a reset.
    anonymous: Ints
    channel: Ints
    logged_in: Bools
    tries: Bools


def make_visits(plan: Plan, actors: Actors, journey: Journey) -> Visits:
    """All visits of a chunk."""
    dice = plan.dice("visits")
    steps = journey.steps
    step = np.flatnonzero(steps.visit)
    actor, day = steps.actor[step], steps.day[step]
    devices = actors.devices
    device = devices.of_actor[actor, steps.slot[step]]
    tries = steps.attempt[step] == WEB
    return Visits(
        step=step,
        actor=actor,
        start=moments(dice, day, actors.zone[actor], _WEB_HOURS),
        stage=steps.stage[step],
        device=devices.kind[device],
        anonymous=device * 2 + (day >= devices.reset[device]),
        channel=pick(dice, cumulative(_CHANNEL_WEIGHTS), len(step)),
        logged_in=_logins(dice, plan.scenario.web, actors, steps, step),
        tries=tries,
    )


def _logins(dice: Dice, rules: Web, actors: Actors, steps: Steps, step: Ints) -> Bools:
    actor, tries, size = steps.actor[step], steps.attempt[step] == WEB, len(step)
    opens = tries | ((steps.stage[step] >= CONSIDERATION) & chance(dice, rules.opens_account, size))
    opens &= actors.has_account[actor]
    # Visits are ordered by actor and day, so the first opening visit of each actor opens the account.
    opened = np.full(actors.size, size, np.int64)
    np.minimum.at(opened, actor[opens], np.flatnonzero(opens))
    index = np.arange(size)
    first = opened[actor]
    return np.asarray((index == first) | ((index > first) & (tries | chance(dice, rules.login, size))))


def moments(dice: Dice, day: Ints, zone: Ints, hours: tuple[float, ...]) -> Ints:
    """Milliseconds since 1970 in UTC of a moment on each local day, by the weights of local hours."""
    hour = pick(dice, cumulative(hours), len(day))
    local = day * MS_PER_DAY + hour * 3_600_000 + dice.integers(0, 3_600_000, len(day))
    return EPOCH_MS + local - 1000 * places().offset[zone, np.clip(day, 0, CALENDAR_DAYS - 1)]


def shop_moments(dice: Dice, day: Ints, zone: Ints) -> Ints:
    """The same within opening hours."""
    return moments(dice, day, zone, _SHOP_HOURS)
