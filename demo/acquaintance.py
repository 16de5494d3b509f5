"""Who knows whom: when each source got to know each person, and under which record id.

Contacts are met before their first deal, loyalty members at their first sale with a card, requesters with their first
ticket, accounts at their first login. Record ids are scattered, so that they say nothing about the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.actors import Actors
from demo.dice import Dice, Floats, Ints, Scatter, Texts, chance, padded
from demo.journey import POS as BY_CARD
from demo.journey import SALES as BY_DEAL
from demo.journey import WEB as BY_WEB
from demo.journey import Journey
from demo.lines import MS_PER_DAY
from demo.people import LAST_DAY, People
from demo.plan import Plan
from demo.records import POS, SALES, SUPPORT, WEB, Wanted
from demo.sales import Deals, Sales
from demo.tickets import Tickets, first_day
from demo.visits import EPOCH_MS, Visits

# Anonymous ids reserved per chunk.
DEVICE_BLOCK = 2_000_000


@dataclass(frozen=True)
class Numbering:
    """All record ids of one world."""

    plan: Plan

    def _scattered(self, name: str, index: Ints, copies: int = 1, modulus: int | None = None) -> Ints:
        return Scatter(self.plan.seed, name, copies * self.plan.total, modulus)(index)

    def contact(self, number: Ints) -> Texts:
        """Sales: six digits or more."""
        return (100_000 + self._scattered("contact", number)).astype(np.str_)

    def card(self, number: Ints, second: Ints) -> Texts:
        """POS: two cards are reserved for everybody."""
        scattered = self._scattered("card", 2 * number + second, copies=2)
        return np.strings.add("LOY-", (20_000 + scattered).astype(np.str_))

    def requester(self, number: Ints) -> Texts:
        """Support."""
        return (900_000 + self._scattered("requester", number)).astype(np.str_)

    def account(self, number: Ints) -> Texts:
        """Web: u_ and nine digits."""
        return padded(self._scattered("account", number, modulus=10**9), 9, "u_")

    def person(self, number: Ints) -> Texts:
        """The truth."""
        return padded(self._scattered("person", number), len(str(self.plan.total)), "P")

    def device(self, index: Ints) -> Texts:
        """Web: a_ and twelve digits; `index` counts within the chunk."""
        scatter = Scatter(self.plan.seed, "device", self.plan.chunks * DEVICE_BLOCK, 10**12)
        return padded(scatter(self.plan.chunk * DEVICE_BLOCK + index), 12, "a_")


@dataclass(frozen=True)
class Encounters:
    """Everything that lets a source meet a person."""

    people: People
    actors: Actors
    journey: Journey
    visits: Visits
    deals: Deals
    sales: Sales
    tickets: Tickets


@dataclass(frozen=True)
class Meetings:
    """Which records exist: what to write down, and the record id of each row."""

    wanted: Wanted
    record_id: Texts
    # For loyalty members: 0 for the first card, 1 for the second.
    second: Ints


def first_logins(visits: Visits, size: int) -> Floats:
    """The day on which each actor first logged in, infinite for those who never do: shape (size,)."""
    day = np.full(size, np.inf)
    rows = np.flatnonzero(visits.logged_in)
    np.minimum.at(day, visits.actor[rows], (visits.start[rows] - EPOCH_MS) / MS_PER_DAY)
    return day


def meet(plan: Plan, numbering: Numbering, seen: Encounters) -> Meetings:
    """All person records of a chunk."""
    dice, rules = plan.dice("meetings"), plan.scenario.records
    people, actors, size = seen.people, seen.actors, seen.people.size
    parts = [
        (SALES, _contacts(dice, actors, seen.deals), 0),
        (SUPPORT, _requesters(dice, rules.support, actors, seen.tickets), 0),
        (WEB, first_logins(seen.visits, actors.size)[:size], 0),
        (POS, _cards(dice, actors, seen.sales), 0),
    ]
    late = parts[3][1] + dice.uniform(20, 400, size)
    parts.append((POS, np.where(chance(dice, rules.pos_second, size) & (late < LAST_DAY), late, np.inf), 1))
    rows = [np.flatnonzero(np.isfinite(day)) for _, day, _ in parts]
    person = np.concatenate(rows)
    source = np.concatenate([np.full(len(row), part[0]) for row, part in zip(rows, parts, strict=True)])
    second = np.concatenate([np.full(len(row), part[2]) for row, part in zip(rows, parts, strict=True)])
    day = np.concatenate([part[1][row] for row, part in zip(rows, parts, strict=True)])
    number = people.number[person]
    ids = np.select(
        [source == SALES, source == SUPPORT, source == WEB],
        [numbering.contact(number), numbering.requester(number), numbering.account(number)],
        numbering.card(number, second),
    )
    good = (_source_of_experiment(actors, seen.journey)[person] == source) & (second == 0)
    # The order of a file says nothing about the person either.
    mix = dice.permutation(len(person))
    return Meetings(Wanted(source[mix], person[mix], day[mix], good[mix]), ids[mix], second[mix])


def _source_of_experiment(actors: Actors, journey: Journey) -> Ints:
    """The source that learnt the mail address of each person in the welcome experiment; -1 for others."""
    steps = journey.steps
    first = np.flatnonzero((steps.nth == 1) & (journey.arm[steps.actor] >= 0))
    source = np.full(actors.size, -1, np.int64)
    names = {BY_WEB: WEB, BY_CARD: POS, BY_DEAL: SALES}
    source[steps.actor[first]] = np.array([names[channel] for channel in range(3)])[steps.attempt[first]]
    return source


def _contacts(dice: Dice, actors: Actors, deals: Deals) -> Floats:
    size, arrival = actors.people, actors.arrival[: actors.people]
    day = np.minimum(arrival + dice.exponential(40, size), LAST_DAY)
    old = chance(dice, 0.2, size)
    day = np.where(old, -dice.uniform(10, 600, size), day)
    worked = np.full(actors.size, np.inf)
    np.minimum.at(worked, deals.actor, (deals.created - EPOCH_MS) / MS_PER_DAY)
    day = np.minimum(day, worked[:size] - dice.uniform(0.01, 3, size))
    return np.where(actors.has_contact[:size], day, np.inf)


def _cards(dice: Dice, actors: Actors, sales: Sales) -> Floats:
    size, arrival = actors.people, actors.arrival[: actors.people]
    shown = sales.member
    first = np.full(actors.size, np.inf)
    np.minimum.at(first, sales.actor[shown], (sales.at[shown] - EPOCH_MS) / MS_PER_DAY)
    idle = np.minimum(arrival + dice.uniform(0, 200, size), LAST_DAY)
    return np.where(actors.has_card[:size], np.where(np.isfinite(first[:size]), first[:size], idle), np.inf)


def _requesters(dice: Dice, calls: float, actors: Actors, tickets: Tickets) -> Floats:
    size, arrival = actors.people, actors.arrival[: actors.people]
    wrote = first_day(tickets, size) - 0.001
    only_calls = chance(dice, calls, size) & np.isinf(wrote)
    return np.where(only_calls, np.minimum(arrival + dice.uniform(0, 300, size), LAST_DAY), wrote)
