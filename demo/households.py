"""Households: who lives together, where, how old they are and what their surnames are.

A household is a family (head, spouse, children) or a flat of people who share only the address. Members follow each
other in the rows of a chunk; a household never crosses a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from demo.dice import Bools, Dice, Floats, Ints, chance, cumulative, pick
from demo.names import name_tables
from demo.places import Addresses, culture_of, draw_addresses, draw_countries
from demo.scenario import Household, Scenario

NEVER = 1e9
YEAR = 365.25
DAY_ZERO = int(np.datetime64("2024-01-01").astype(np.int64))
# The youngest customers turn 16 in 2024.
LATEST_BIRTH = int(np.datetime64("2008-01-01").astype(np.int64))


@dataclass(frozen=True)
class Kin:
    """One row per person: household, place in it (0 head, 1 spouse, then children), and whether it is a flat."""

    household: Ints
    position: Ints
    flat: Bools
    country: Ints
    culture: Ints
    # Members per household.
    members: Ints

    @cached_property
    def head(self) -> Ints:
        """The row of the head of each person's household."""
        return np.asarray(np.searchsorted(self.household, self.household), dtype=np.int64)

    @property
    def spouse(self) -> Bools:
        """Whether a person is the spouse of the head."""
        return np.asarray((self.position == 1) & ~self.flat)

    @property
    def child(self) -> Bools:
        """Whether a person is a child of the head."""
        return np.asarray((self.position > 1) & ~self.flat)


def on_a_day(dice: Dice, happens: Bools) -> Floats:
    """The day of a change, well inside the two years; NEVER when it does not happen."""
    return np.where(happens, dice.uniform(60, 680, len(happens)), NEVER)


def make_households(dice: Dice, scenario: Scenario, size: int) -> Kin:
    """Households of `size` people in all; the last one may be cut short."""
    rules = scenario.household
    kinds = sorted(rules.sizes)
    drawn = np.array(kinds)[pick(dice, cumulative([rules.sizes[kind] for kind in kinds]), size)]
    count = int(np.searchsorted(np.cumsum(drawn), size)) + 1
    members = drawn[:count].copy()
    members[-1] -= int(members.sum()) - size
    household = np.repeat(np.arange(count), members)
    position = np.arange(size) - np.repeat(np.cumsum(members) - members, members)
    flat = (chance(dice, rules.flat_share, count) & (members > 1))[household]
    country = draw_countries(dice, scenario.countries, count)[household]
    own = culture_of(dice, country)
    head = np.searchsorted(household, household)
    return Kin(household, position, flat, country, np.where(flat | (position == 0), own, own[head]), members)


def draw_sexes(dice: Dice, kin: Kin) -> Ints:
    """0 female, 1 male."""
    sex = dice.integers(0, 2, len(kin.position))
    spouse = np.flatnonzero(kin.spouse)
    opposite = chance(dice, 0.95, len(spouse))
    sex[spouse] = np.where(opposite, 1 - sex[spouse - 1], sex[spouse - 1])
    return sex


def draw_births(dice: Dice, rules: Household, kin: Kin) -> Ints:
    """Days since 1970; parents are older than their children, twins are born on one day."""
    size = len(kin.position)
    parents = (kin.members[kin.household] > 2) & ~kin.flat
    age = np.where(parents, dice.uniform(42, 68, size), np.minimum(dice.normal(44, 15, size), 88))
    age = np.where(kin.spouse, age[kin.head] + dice.normal(-1, 4, size), age)
    age = np.where(kin.child, age[kin.head] - dice.uniform(20, 36, size), age)
    # Too young to shop on their own: spread over the first years in which they may.
    age = np.where(age < 18, dice.uniform(16.5, 24, size), age)
    born = np.minimum((DAY_ZERO - age * YEAR).astype(np.int64), LATEST_BIRTH)
    second = np.flatnonzero((kin.position == 3) & ~kin.flat)
    second = second[chance(dice, rules.twins, len(second))]
    born[second] = born[second - 1]
    return born


def draw_given_names(dice: Dice, rules: Household, kin: Kin, sex: Ints) -> tuple[Ints, Ints]:
    """Given names and sexes; members of a household differ in name, but for a child named after a parent."""
    tables = name_tables()
    given = tables.draw_given(dice, kin.culture, sex)
    for _ in range(3):
        keys = kin.household * 10_000 + given
        order = np.argsort(keys, kind="stable")
        repeated = np.sort(order[1:][keys[order][1:] == keys[order][:-1]])
        given[repeated] = tables.draw_given(dice, kin.culture[repeated], sex[repeated])
    child = np.flatnonzero((kin.position == 2) & ~kin.flat)
    child = child[chance(dice, rules.namesake_child, len(child))]
    sex = sex.copy()
    sex[child], given[child] = sex[child - 2], given[child - 2]
    return given, sex


def draw_surnames(dice: Dice, rules: Household, kin: Kin) -> tuple[Ints, Ints, Floats]:
    """Surname now, surname before a marriage, and the day of the marriage."""
    size = len(kin.position)
    own = name_tables().draw_surname(dice, kin.culture)
    keeps = kin.flat | (kin.position == 0) | (kin.spouse & chance(dice, rules.spouse_keeps_name, size))
    weds = kin.spouse & ~keeps & chance(dice, rules.marries, size)
    surname = np.where(keeps, own, own[kin.head])
    return surname, np.where(weds, own, surname), on_a_day(dice, weds)


def draw_homes(dice: Dice, rules: Household, kin: Kin) -> tuple[Addresses, Ints, Ints, Floats]:
    """An address table, each person's address before and after a move, and the day of the move."""
    count = len(kin.members)
    first_member = np.searchsorted(kin.household, np.arange(count))
    child = np.flatnonzero(kin.child)
    leaver = child[chance(dice, rules.child_moves_out, len(child))]
    owner = np.concatenate([kin.country[first_member], kin.country[first_member], kin.country[leaver]])
    table = draw_addresses(dice, owner)
    moves = chance(dice, rules.household_moves, count)
    moved = on_a_day(dice, moves)[kin.household]
    home_after = np.where(moves[kin.household], kin.household + count, kin.household)
    home_after[leaver] = 2 * count + np.arange(len(leaver))
    moved[leaver] = dice.uniform(60, 680, len(leaver))
    return table, kin.household, home_after, moved
