"""Who can do what: the persona, pace, devices and memberships of each person, and the visitors nobody ever knows.

Actors are the people of a chunk followed by its anonymous visitors. This is what the hidden journey needs to know of
them; nothing here is written to a file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.dice import Bools, Dice, Floats, Ints, chance, cumulative, pick
from demo.people import NEVER, People
from demo.places import draw_countries, places
from demo.plan import Plan
from demo.scenario import DEVICES, PURCHASE_CHANNELS, Persona, Scenario

# Which share of POS sales people without a loyalty card make, compared with members.
CARDLESS_POS = 0.15


@dataclass(frozen=True)
class Devices:
    """Devices of a chunk; `kind` indexes DEVICES, `reset` is the day on which the anonymous id changes."""

    kind: Ints
    reset: Floats
    # Device of each actor by slot: shape (actors, 2); -1 where there is no second one.
    of_actor: Ints


@dataclass(frozen=True)
class Actors:
    """One row per actor; the first `people` rows are people."""

    people: int
    persona: Ints
    pace: Floats
    spend: Floats
    arrival: Floats
    zone: Ints
    has_contact: Bools
    has_card: Bools
    has_account: Bools
    # Leaves a working mail address with the first purchase, and does not share it.
    reachable: Bools
    # Running sums over PURCHASE_CHANNELS: shape (actors, 3).
    channels: Floats
    devices: Devices

    @property
    def size(self) -> int:
        """Number of actors."""
        return len(self.persona)


def make_actors(plan: Plan, people: People) -> Actors:
    """Actors for the people of one chunk, with the chunk's share of visitors."""
    dice, scenario = plan.dice("actors"), plan.scenario
    rules = scenario.records
    visitors = int(dice.poisson(scenario.visitors * people.size))
    size = people.size + visitors
    known = np.arange(size) < people.size
    personas = list(scenario.personas.values())
    persona = pick(dice, cumulative([kind.share for kind in personas]), size)
    pace = np.array([kind.pace for kind in personas])[persona]
    spend = np.array([kind.spend for kind in personas])[persona]
    has_contact = known & chance(dice, rules.sales, size)
    till = np.array([kind.channels.get("pos", 0.0) for kind in personas])[persona]
    # Who buys at the till more often carries a card more often.
    has_card = known & chance(dice, np.clip(rules.pos * till / max(till.mean(), 1e-9), 0.2 * rules.pos, 0.95), size)
    has_account = known & chance(dice, rules.web_account, size)
    weights = np.array([[kind.channels.get(name, 0.0) for name in PURCHASE_CHANNELS] for kind in personas])[persona]
    open_to = np.stack([has_account, np.where(has_card, 1.0, CARDLESS_POS), has_contact], axis=1) * weights
    open_to[open_to.sum(axis=1) == 0] = [0.0, 1.0, 0.0]
    shares_mail = np.zeros(size, dtype=np.bool_)
    shares_mail[: people.size] = people.shares_mail
    return Actors(
        people=people.size,
        persona=persona,
        pace=pace * np.exp(dice.normal(0, 1, size) * scenario.activity_spread),
        spend=spend * np.exp(dice.normal(0, 0.35, size)),
        # Journeys start all the time, a few more of them early on.
        arrival=np.floor(1 + (scenario.arrivals_end_day - 1) * dice.random(size) ** 1.4),
        zone=_zones(dice, scenario, people, visitors),
        has_contact=has_contact,
        has_card=has_card,
        has_account=has_account,
        reachable=known & ~shares_mail & chance(dice, rules.marketing_known, size),
        channels=np.cumsum(open_to / open_to.sum(axis=1, keepdims=True), axis=1),
        devices=_devices(dice, scenario, people, persona, personas),
    )


def _zones(dice: Dice, scenario: Scenario, people: People, visitors: int) -> Ints:
    tables = places()
    country = draw_countries(dice, scenario.countries, visitors)
    city = np.concatenate([people.addresses.city[people.home], tables.city_start[country]])
    return np.asarray(tables.zone_of_city[city])


def _devices(dice: Dice, scenario: Scenario, people: People, persona: Ints, personas: list[Persona]) -> Devices:
    """A first device each, a second one for some, and one that two people of a household share for some homes."""
    rules = scenario.web
    size = len(persona)
    sums = np.array([cumulative([kind.devices.get(name, 0.0) for name in DEVICES]) for kind in personas])
    first = (dice.random(size)[:, None] >= sums[persona]).sum(axis=1)
    owners = np.flatnonzero(chance(dice, rules.second_device, people.size))
    second = (first[owners] + dice.integers(1, len(DEVICES), len(owners))) % len(DEVICES)
    of_actor = np.full((size, 2), -1, dtype=np.int64)
    of_actor[:, 0] = np.arange(size)
    of_actor[owners, 1] = size + np.arange(len(owners))
    # The first two members of a household put a common desktop or tablet in the place of their second device.
    heads = np.flatnonzero((people.position[1:] == 1) & (people.position[:-1] == 0))
    heads = heads[chance(dice, rules.shares_device, len(heads))]
    shared = size + len(owners) + np.arange(len(heads))
    of_actor[heads, 1] = shared
    of_actor[heads + 1, 1] = shared
    kind = np.concatenate([first, second, dice.integers(1, len(DEVICES), len(heads))])
    resets = chance(dice, rules.cookie_reset, len(kind))
    return Devices(kind, np.where(resets, np.floor(dice.uniform(60, 680, len(kind))), NEVER), of_actor)
