"""The people: who they are, with whom they live, and what changes about them in two years.

A chunk of people lives in households of its own. Each person has a state before and after every change (name, address,
mail, phone) and the day of the change, so that a record made on any day shows what was true then. Days count from
2024-01-01; a change that never happens lies at NEVER.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.dice import Bools, Dice, Floats, Ints, Scatter, Texts, chance, cumulative, pick, stream
from demo.names import name_tables
from demo.places import Addresses, culture_of, draw_addresses, draw_countries, draw_phones, places
from demo.scenario import Household, Scenario

NEVER = 1e9
LAST_DAY = 729.0
YEAR = 365.25
# The youngest customers turn 16 in 2024.
LATEST_BIRTH = (np.datetime64("2008-01-01") - np.datetime64("1970-01-01")).astype(int)
DAY_ZERO = int((np.datetime64("2024-01-01") - np.datetime64("1970-01-01")).astype(int))


@dataclass(frozen=True)
class People:
    """One row per person; shapes are (n,) or, for addresses, tables indexed by `home_*`."""

    number: Ints
    household: Ints
    position: Ints
    country: Ints
    culture: Ints
    sex: Ints
    given: Ints
    surname: Ints
    second_surname: Ints
    maiden: Ints
    married: Floats
    born: Ints
    addresses: Addresses
    home: Ints
    home_after: Ints
    moved: Floats
    mail: Texts
    mail_after: Texts
    mail_changed: Floats
    other_mail: Texts
    phone: Texts
    phone_after: Texts
    phone_changed: Floats
    own_script: Bools
    shares_mail: Bools

    @property
    def size(self) -> int:
        """Number of people."""
        return len(self.number)


def make_people(scenario: Scenario, seed: int, chunk: int, first: int, size: int, total: int) -> People:
    """People number `first` to `first + size` of a world of `total`."""
    dice = stream(seed, chunk, "people")
    rules = scenario.household
    number = first + np.arange(size, dtype=np.int64)
    household, position, members = _households(dice, rules, size)
    homes = int(household[-1]) + 1
    flat = (chance(dice, rules.flat_share, homes) & (members > 1))[household]
    country = draw_countries(dice, dict(scenario.countries), homes)[household]
    culture = _family_culture(dice, country, household, position, flat)
    sex = _sexes(dice, position, flat)
    born = _births(dice, rules, household, position, flat, members)
    given, sex = _given_names(dice, rules, culture, sex, household, position, flat, born)
    surname, maiden, married = _surnames(dice, rules, culture, household, position, flat)
    addresses, home, home_after, moved = _homes(dice, rules, country, household, position, flat)
    tables = name_tables()
    main = places().main_culture[country] == culture
    double = tables.double_surname[culture] & main
    own_script = tables.own_script[culture] & main
    mails = [_mails(stream(seed, chunk, f"mail{turn}"), seed, turn, number, total, country, given, surname, sex) for turn in range(3)]
    couple = _couples(dice, rules.shared_mail, household, position, flat, members)
    heads = np.searchsorted(household, household)
    mail = np.where(couple, mails[0][heads], mails[0])
    changes = chance(dice, rules.changes_mail, size) & ~couple
    phones, line = draw_phones(dice, country), draw_phones(dice, country)[heads]
    landline = (chance(dice, rules.shared_landline, homes) & (members > 1))[household]
    new_phone = chance(dice, rules.changes_phone, size) & ~landline
    return People(
        number=number, household=household, position=position, country=country, culture=culture, sex=sex, given=given,
        surname=surname, second_surname=np.where(double, tables.draw_surname(dice, culture), -1), maiden=maiden,
        married=married, born=born, addresses=addresses, home=home, home_after=home_after, moved=moved, mail=mail,
        mail_after=np.where(changes, mails[1], mail), mail_changed=_on_a_day(dice, changes), other_mail=mails[2],
        phone=np.where(landline, line, phones), phone_after=np.where(new_phone, draw_phones(dice, country), ""),
        phone_changed=_on_a_day(dice, new_phone), own_script=own_script, shares_mail=couple,
    )  # fmt: skip


def _on_a_day(dice: Dice, happens: Bools) -> Floats:
    """The day of a change, well inside the two years; NEVER when it does not happen."""
    return np.where(happens, dice.uniform(60, 680, len(happens)), NEVER)


def _households(dice: Dice, rules: Household, size: int) -> tuple[Ints, Ints, Ints]:
    """Household and position of each person, and members per household."""
    sizes = np.array(sorted(rules.sizes), dtype=np.int64)
    drawn = sizes[pick(dice, cumulative([rules.sizes[int(n)] for n in sizes]), size)]
    count = int(np.searchsorted(np.cumsum(drawn), size)) + 1
    members = drawn[:count].copy()
    members[-1] -= int(members.sum()) - size
    household = np.repeat(np.arange(count), members)
    position = np.arange(size) - np.repeat(np.cumsum(members) - members, members)
    return household, position, members


def _family_culture(dice: Dice, country: Ints, household: Ints, position: Ints, flat: Bools) -> Ints:
    own = culture_of(dice, country)
    heads = np.searchsorted(household, household)
    return np.where(flat | (position == 0), own, own[heads])


def _sexes(dice: Dice, position: Ints, flat: Bools) -> Ints:
    sex = dice.integers(0, 2, len(position))
    spouse = np.flatnonzero((position == 1) & ~flat)
    opposite = chance(dice, 0.95, len(spouse))
    sex[spouse] = np.where(opposite, 1 - sex[spouse - 1], sex[spouse - 1])
    return sex


def _births(dice: Dice, rules: Household, household: Ints, position: Ints, flat: Bools, members: Ints) -> Ints:
    """Days since 1970; parents are older than their children, twins are born on one day."""
    size = len(position)
    heads = np.searchsorted(household, household)
    parents = (members[household] > 2) & ~flat
    age = np.where(parents, dice.uniform(42, 68, size), np.minimum(dice.normal(44, 15, size), 88))
    spouse = (position == 1) & ~flat
    age = np.where(spouse, age[heads] + dice.normal(-1, 4, size), age)
    child = (position > 1) & ~flat
    age = np.where(child, age[heads] - dice.uniform(20, 36, size), age)
    # Too young to shop on their own: spread over the first years in which they may.
    age = np.where(age < 18, dice.uniform(16.5, 24, size), age)
    born = np.minimum((DAY_ZERO - age * YEAR).astype(np.int64), LATEST_BIRTH)
    second = np.flatnonzero((position == 3) & ~flat)
    second = second[chance(dice, rules.twins, len(second))]
    born[second] = born[second - 1]
    return born


def _given_names(
    dice: Dice, rules: Household, culture: Ints, sex: Ints, household: Ints, position: Ints, flat: Bools, born: Ints
) -> tuple[Ints, Ints]:
    """Given names, and the sex, since a namesake takes the head's; members of a family have different names."""
    tables = name_tables()
    given = tables.draw_given(dice, culture, sex)
    for _ in range(3):
        keys = household * 10_000 + given
        order = np.argsort(keys, kind="stable")
        repeated = np.sort(order[1:][keys[order][1:] == keys[order][:-1]])
        given[repeated] = tables.draw_given(dice, culture[repeated], sex[repeated])
    child = np.flatnonzero((position == 2) & ~flat)
    child = child[chance(dice, rules.namesake_child, len(child))]
    sex[child], given[child] = sex[child - 2], given[child - 2]
    return given, sex


def _surnames(
    dice: Dice, rules: Household, culture: Ints, household: Ints, position: Ints, flat: Bools
) -> tuple[Ints, Ints, Floats]:
    """Surname now, surname before a marriage, and the day of the marriage."""
    size = len(position)
    own = name_tables().draw_surname(dice, culture)
    heads = np.searchsorted(household, household)
    spouse = (position == 1) & ~flat
    keeps = flat | (position == 0) | (spouse & chance(dice, rules.spouse_keeps_name, size))
    weds = spouse & ~keeps & chance(dice, rules.marries, size)
    surname = np.where(keeps, own, own[heads])
    return surname, np.where(weds, own, surname), _on_a_day(dice, weds)


def _homes(
    dice: Dice, rules: Household, country: Ints, household: Ints, position: Ints, flat: Bools
) -> tuple[Addresses, Ints, Ints, Floats]:
    """An address table, each person's address before and after a move, and the day of the move."""
    count = int(household[-1]) + 1
    first_member = np.searchsorted(household, np.arange(count))
    child = np.flatnonzero((position > 1) & ~flat)
    leaver = child[chance(dice, rules.child_moves_out, len(child))]
    owner = np.concatenate([country[first_member], country[first_member], country[leaver]])
    table = draw_addresses(dice, owner)
    moves = chance(dice, rules.household_moves, count)
    moved = _on_a_day(dice, moves)[household]
    home = household.copy()
    home_after = np.where(moves[household], household + count, household)
    home_after[leaver] = 2 * count + np.arange(len(leaver))
    moved[leaver] = dice.uniform(60, 680, len(leaver))
    return table, home, home_after, moved


def _couples(dice: Dice, rate: float, household: Ints, position: Ints, flat: Bools, members: Ints) -> Bools:
    shares = (chance(dice, rate, len(members)) & (members > 1))[household]
    return shares & (position < 2) & ~flat


def _mails(
    dice: Dice, seed: int, turn: int, number: Ints, total: int, country: Ints, given: Ints, surname: Ints, sex: Ints
) -> Texts:
    """One address each, unique in the world: no two addresses carry the same number."""
    tables, sites = name_tables(), places()
    modulus = 10 ** max(3, len(str(3 * total)))
    tail = np.char.mod("%d", Scatter(seed, "mail", 3 * total, modulus)(number * 3 + turn))
    first, last = tables.given_plain[given], tables.surname_plain[sex, surname]
    add, cut = np.strings.add, np.strings.slice
    style = dice.random(len(number))
    local = np.select(
        [style < 0.35, style < 0.6, style < 0.75, style < 0.9],
        [add(add(first, "."), last), add(cut(first, 0, 1), last), first, add(last, cut(first, 0, 1))],
        add(add(first, "_"), last),
    )
    site = sites.mail[sites.mail_start[country] + (sites.mail_count[country] * dice.random(len(number)) ** 2).astype(np.int64)]
    return np.asarray(add(add(add(local, tail), "@"), site))


