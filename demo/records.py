"""Person records: what each source wrote down about a person on the day it got to know them.

A record shows the name, address, mail and phone that were true on that day, in the script the person used, and then
suffers the corruptions of the scenario. Records of one chunk lie in one table, sources apart by `source`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from demo import corrupt
from demo.dice import Bools, Dice, Floats, Ints, Texts, chance
from demo.names import name_tables
from demo.people import People
from demo.places import places, write_phones
from demo.scenario import Corruptions, Scenario

SOURCES = ("sales", "support", "web", "pos")
SALES, SUPPORT, WEB, POS = range(4)


@dataclass(frozen=True)
class Wanted:
    """Records to be made: source, person (row in the chunk), day, and whether the mail address must be good."""

    source: Ints
    person: Ints
    day: Floats
    good_mail: Bools


@dataclass(frozen=True)
class Records:
    """Person records as the sources have them; texts are '' where nothing was written."""

    source: Ints
    person: Ints
    day: Floats
    first: Texts
    last: Texts
    # The name in one field, in the order of the culture.
    full: Texts
    mail: Texts
    phone: Texts
    born: Texts
    street: Texts
    city: Texts
    region: Texts
    postcode: Texts
    good_mail: Bools

    def rows(self, keep: Any) -> Records:
        """Some of the records (mask or indexes)."""
        return Records(**{name: column[keep] for name, column in self.__dict__.items()})


def make_records(scenario: Scenario, dice: Dice, people: People, wanted: Wanted) -> Records:
    """Write the records down, then corrupt them. With equal dice, equal rows suffer the same whatever their day is."""
    who, day = wanted.person, wanted.day
    latin = _writes_latin(dice, scenario.corruptions, people, wanted)
    first, last = _names(dice, scenario.corruptions, people, wanted, latin)
    tables = places()
    home = np.where(day >= people.moved[who], people.home_after[who], people.home[who])
    city = people.addresses.city[home]
    born = (people.born[who].astype("datetime64[D]")).astype("U10")
    cut = np.strings.slice
    dates = _glued(cut(born, 5, 7), "/", cut(born, 8, 10), "/", cut(born, 0, 4))
    records = Records(
        source=wanted.source, person=who, day=day, first=first, last=last, full=first,
        mail=_mails(dice, scenario, people, wanted), phone=_phones(dice, people, wanted), born=dates,
        street=people.addresses.street[home], city=tables.city[city], region=tables.region[city],
        postcode=people.addresses.postcode[home], good_mail=wanted.good_mail,
    )  # fmt: skip
    dirty = _corrupt(dice, scenario.corruptions, records)
    chinese = _is_chinese(dirty.last)
    spaced = np.strings.strip(_glued(dirty.first, " ", dirty.last))
    return replace(dirty, full=np.where(chinese, np.strings.add(dirty.last, dirty.first), spaced))


def _is_chinese(column: Texts) -> Bools:
    codes = np.ascontiguousarray(column).view(np.uint32).reshape(len(column), column.dtype.itemsize // 4)
    return np.asarray((codes[:, 0] >= 0x4E00) & (codes[:, 0] <= 0x9FFF))


def _rates(corruptions: Corruptions, name: str, source: Ints) -> Floats:
    return np.array([corruptions.for_source(name, label) for label in SOURCES])[source]


def _writes_latin(dice: Dice, corruptions: Corruptions, people: People, wanted: Wanted) -> Bools:
    transcribed = chance(dice, _rates(corruptions, "latin_transcription", wanted.source), len(wanted.person))
    return np.asarray(~people.own_script[wanted.person] | transcribed)


def _names(dice: Dice, corruptions: Corruptions, people: People, wanted: Wanted, latin: Bools) -> tuple[Texts, Texts]:
    tables, who = name_tables(), wanted.person
    given, sex = people.given[who], people.sex[who]
    nick = np.where(latin, tables.nick_latin[given], tables.nick[given])
    first = np.where(latin, tables.given_latin[given], tables.given[given])
    short = chance(dice, _rates(corruptions, "nickname", wanted.source), len(who)) & (nick != "")
    first = np.where(short, nick, first)
    family = np.where(wanted.day >= people.married[who], people.surname[who], people.maiden[who])
    second = people.second_surname[who]
    last = np.where(latin, tables.surname_latin[sex, family], tables.surname[sex, family])
    more = np.where(latin, tables.surname_latin[sex, second], tables.surname[sex, second])
    return first, np.where(second >= 0, _glued(last, " ", more), last)


def _mails(dice: Dice, scenario: Scenario, people: People, wanted: Wanted) -> Texts:
    who = wanted.person
    other = chance(dice, scenario.records.second_mail, len(who)) & ~wanted.good_mail
    mail = np.where(wanted.day >= people.mail_changed[who], people.mail_after[who], people.mail[who])
    return np.where(other, people.other_mail[who], mail)


def _phones(dice: Dice, people: People, wanted: Wanted) -> Texts:
    who = wanted.person
    number = np.where(wanted.day >= people.phone_changed[who], people.phone_after[who], people.phone[who])
    return write_phones(dice, number, people.country[who])


def _corrupt(dice: Dice, rules: Corruptions, clean: Records) -> Records:
    """Apply every corruption of person records at its rate."""

    def hit(name: str) -> Bools:
        return chance(dice, _rates(rules, name, clean.source), len(clean.source))

    first, last = clean.first, clean.last
    bare = hit("accents_dropped")
    first, last = corrupt.without_accents(first, bare), corrupt.without_accents(last, bare)
    slip = hit("typo_in_name")
    in_first = chance(dice, 0.4, len(slip))
    first, last = corrupt.typos(dice, first, slip & in_first), corrupt.typos(dice, last, slip & ~in_first)
    first = np.where(hit("initial_only"), np.strings.slice(first, 0, 1), first)
    swapped = hit("swapped_names")
    first, last = np.where(swapped, last, first), np.where(swapped, first, last)
    single = hit("one_name_only")
    keeps_last = chance(dice, 0.6, len(single))
    first, last = np.where(single & keeps_last, "", first), np.where(single & ~keeps_last, "", last)
    shouted = hit("upper_case_name")
    first, last = corrupt.upper_case(first, shouted), corrupt.upper_case(last, shouted)

    spoilt = ~clean.good_mail
    mail = corrupt.typos(dice, clean.mail, hit("typo_in_mail") & spoilt)
    mail = corrupt.plus_addressed(dice, mail, hit("plus_addressing") & spoilt)
    mail = corrupt.upper_case(mail, hit("upper_case_mail"))
    mail = np.where(hit("missing_mail") & spoilt, "", mail)
    mail = corrupt.placeholders(dice, mail, hit("placeholder_mail") & spoilt, corrupt.PLACEHOLDER_MAILS)
    phone = np.where(hit("missing_phone"), "", clean.phone)
    phone = corrupt.placeholders(dice, phone, hit("placeholder_phone"), corrupt.PLACEHOLDER_PHONES)

    size = len(clean.source)
    born = corrupt.day_before_month(clean.born, chance(dice, rules.swapped_day_month, size))
    born = corrupt.garbled_dates(dice, born, chance(dice, rules.garbled_birth_date, size))
    born = np.where(chance(dice, rules.missing_birth_date, size), "", born)
    street = corrupt.typos(dice, clean.street, hit("typo_in_street"))
    street = np.where(hit("missing_street"), "", street)
    return replace(clean, first=first, last=last, mail=mail, phone=phone, born=born, street=street)


def _glued(*parts: Texts | str) -> Texts:
    text: Any = parts[0]
    for part in parts[1:]:
        text = np.strings.add(text, part)
    return np.asarray(text)
