"""The people: who they are, and what changes about them in two years.

Each person has a state before and after every change (name, address, mail, phone) and the day of the change, so that a
record made on any day shows what was true then. Days count from 2024-01-01; a change that never happens lies at NEVER.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo import households
from demo.dice import Bools, Floats, Ints, Scatter, Texts, chance
from demo.households import NEVER, Kin, on_a_day
from demo.names import name_tables
from demo.places import Addresses, draw_phones, places
from demo.plan import Plan

LAST_DAY = 729.0
MAIL_KINDS = ("first", "changed", "other")


@dataclass(frozen=True)
class People:
    """One row per person; `home` and `home_after` index `addresses`, names index the tables of `names`."""

    number: Ints
    household: Ints
    position: Ints
    country: Ints
    culture: Ints
    sex: Ints
    given: Ints
    surname: Ints
    # -1 where people have one surname only.
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
    # Writes in another script than Latin at home.
    own_script: Bools
    shares_mail: Bools

    @property
    def size(self) -> int:
        """Number of people."""
        return len(self.number)


def make_people(plan: Plan) -> People:
    """The people of a chunk."""
    dice, size, rules = plan.dice("people"), plan.size, plan.scenario.household
    number = plan.first + np.arange(size, dtype=np.int64)
    kin = households.make_households(dice, plan.scenario, size)
    born = households.draw_births(dice, rules, kin)
    given, sex = households.draw_given_names(dice, rules, kin, households.draw_sexes(dice, kin))
    surname, maiden, married = households.draw_surnames(dice, rules, kin)
    addresses, home, home_after, moved = households.draw_homes(dice, rules, kin)
    tables = name_tables()
    native = places().main_culture[kin.country] == kin.culture
    double = tables.double_surname[kin.culture] & native
    names = _plain_names(given, surname, sex)
    mail, mail_after, other_mail = (_mails(plan, kind, number, kin.country, names) for kind in MAIL_KINDS)
    shares = _couples(plan, kin)
    mail = np.where(shares, mail[kin.head], mail)
    changes = chance(dice, rules.changes_mail, size) & ~shares
    phone, landline = _phones(plan, kin)
    new_phone = chance(dice, rules.changes_phone, size) & ~landline
    return People(
        number=number, household=kin.household, position=kin.position, country=kin.country, culture=kin.culture,
        sex=sex, given=given, surname=surname,
        second_surname=np.where(double, tables.draw_surname(dice, kin.culture), -1), maiden=maiden, married=married,
        born=born, addresses=addresses, home=home, home_after=home_after, moved=moved, mail=mail,
        mail_after=np.where(changes, mail_after, mail), mail_changed=on_a_day(dice, changes), other_mail=other_mail,
        phone=phone, phone_after=np.where(new_phone, draw_phones(dice, kin.country), phone),
        phone_changed=on_a_day(dice, new_phone), own_script=tables.own_script[kin.culture] & native, shares_mail=shares,
    )  # fmt: skip


def _couples(plan: Plan, kin: Kin) -> Bools:
    """Both heads of the households in which a couple uses one mail address."""
    shares = chance(plan.dice("couples"), plan.scenario.household.shared_mail, len(kin.members)) & (kin.members > 1)
    return np.asarray(shares[kin.household] & (kin.position < 2) & ~kin.flat)


def _phones(plan: Plan, kin: Kin) -> tuple[Texts, Bools]:
    """A number each, and whether it is the one of the household."""
    dice = plan.dice("phones")
    shared = chance(dice, plan.scenario.household.shared_landline, len(kin.members)) & (kin.members > 1)
    landline = shared[kin.household]
    own, common = draw_phones(dice, kin.country), draw_phones(dice, kin.country)[kin.head]
    return np.where(landline, common, own), landline


def _plain_names(given: Ints, surname: Ints, sex: Ints) -> tuple[Texts, Texts]:
    tables = name_tables()
    return tables.given_plain[given], tables.surname_plain[sex, surname]


def _mails(plan: Plan, kind: str, number: Ints, country: Ints, names: tuple[Texts, Texts]) -> Texts:
    """One address each, unique in the world: no two addresses carry the same number."""
    dice, sites, total = plan.dice(f"mail {kind}"), places(), len(MAIL_KINDS) * plan.total
    scatter = Scatter(plan.seed, "mail", total, 10 ** max(3, len(str(total))))
    tail = scatter(number * len(MAIL_KINDS) + MAIL_KINDS.index(kind)).astype(np.str_)
    first, last = names
    add, cut = np.strings.add, np.strings.slice
    style = dice.random(len(number))
    local = np.select(
        [style < 0.35, style < 0.6, style < 0.75, style < 0.9],
        [add(add(first, "."), last), add(cut(first, 0, 1), last), first, add(last, cut(first, 0, 1))],
        add(add(first, "_"), last),
    )
    # Sites are listed by popularity.
    place = (sites.mail_count[country] * dice.random(len(number)) ** 2).astype(np.int64)
    site = sites.mail[sites.mail_start[country] + place]
    return np.asarray(add(add(add(local, tail), "@"), site))


__all__ = ["LAST_DAY", "NEVER", "People", "make_people"]
