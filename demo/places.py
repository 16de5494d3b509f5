"""Countries, cities, streets and phone numbers: where people live and how to reach them there.

Read once from `data/places.yaml`. Addresses are texts in the way of the country; phone numbers are national digits that
are valid under the country's numbering plan, and are written in the ways people write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from demo.dice import Dice, Floats, Ints, Texts, cumulative, fill_pattern, pick, within
from demo.names import CULTURES
from demo.scenario import COUNTRIES, CountryName
from demo.sheets import sheet

CALENDAR_DAYS = 731
FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Places:
    """Tables by country (C), by city and by time zone."""

    calling_code: Texts
    line: tuple[str, ...]
    # Running sums of cultures: shape (C, cultures). The first culture of a country writes in its own script.
    cultures: Floats
    main_culture: Ints
    mail_start: Ints
    mail_count: Ints
    mail: Texts
    phone_start: Ints
    phone_count: Ints
    phone_pattern: Texts
    street_start: Ints
    street_count: Ints
    street: Texts
    city_start: Ints
    city_count: Ints
    city: Texts
    region: Texts
    postcode_pattern: Texts
    zone_of_city: Ints
    zones: tuple[str, ...]
    # Seconds east of UTC at noon of each day of the two years: shape (zones, 731).
    offset: Ints


@dataclass(frozen=True)
class Addresses:
    """Addresses in one row of arrays; `city` indexes the tables of `Places`."""

    street: Texts
    city: Ints
    postcode: Texts


@lru_cache(maxsize=1)
def places() -> Places:
    """Read the tables, once per process."""
    countries = sheet("places")
    sheets: list[dict[str, Any]] = [countries[code] for code in COUNTRIES]
    streets = [[kind.format(name) for name in each["streets"] for kind in each["types"]] for each in sheets]
    phones = [[f"{lead}{each['mobile'][0]}" for lead in each["mobile"][1]] for each in sheets]
    cities = [city for each in sheets for city in each["cities"]]
    zones = tuple(dict.fromkeys(str(city[3]) for city in cities))
    street_start, street_count = _blocks(streets)
    phone_start, phone_count = _blocks(phones)
    city_start, city_count = _blocks([each["cities"] for each in sheets])
    mail_start, mail_count = _blocks([each["mail"] for each in sheets])
    return Places(
        calling_code=np.array([each["code"] for each in sheets]),
        line=tuple(str(each["line"]) for each in sheets),
        cultures=np.array([cumulative([each["cultures"].get(name, 0.0) for name in CULTURES]) for each in sheets]),
        main_culture=np.array([CULTURES.index(next(iter(each["cultures"]))) for each in sheets]),
        mail_start=mail_start,
        mail_count=mail_count,
        mail=np.array([domain for each in sheets for domain in each["mail"]]),
        phone_start=phone_start,
        phone_count=phone_count,
        phone_pattern=np.array([text for block in phones for text in block]),
        street_start=street_start,
        street_count=street_count,
        street=np.array([text for block in streets for text in block]),
        city_start=city_start,
        city_count=city_count,
        city=np.array([city[0] for city in cities]),
        region=np.array([city[1] for city in cities]),
        postcode_pattern=np.array([city[2] for city in cities]),
        zone_of_city=np.array([zones.index(city[3]) for city in cities]),
        zones=zones,
        offset=np.array([_offsets(zone) for zone in zones]),
    )


def draw_addresses(dice: Dice, country: Ints) -> Addresses:
    """One new address each."""
    tables = places()
    city = within(dice, tables.city_start[country], tables.city_count[country])
    street = tables.street[within(dice, tables.street_start[country], tables.street_count[country])]
    # Low numbers are common, high ones exist.
    number = (1 + dice.gamma(1.3, 180.0, len(country)).astype(np.int64)).astype(np.str_)
    text = np.zeros(len(country), dtype=f"U{street.dtype.itemsize // 4 + 16}")
    for code, pattern in enumerate(tables.line):
        rows = np.flatnonzero(country == code)
        parts = pattern.split("{n}") if pattern.index("{n}") < pattern.index("{s}") else pattern.split("{s}")
        first, second = (number, street) if pattern.index("{n}") < pattern.index("{s}") else (street, number)
        middle, end = parts[1].replace("{n}", "\0").replace("{s}", "\0").split("\0")
        text[rows] = np.strings.add(np.strings.add(np.strings.add(first[rows], middle), second[rows]), end)
    return Addresses(text, city, fill_pattern(dice, tables.postcode_pattern[city]))


def draw_phones(dice: Dice, country: Ints) -> Texts:
    """One national number each, digits only, without trunk prefix."""
    tables = places()
    return fill_pattern(
        dice, tables.phone_pattern[within(dice, tables.phone_start[country], tables.phone_count[country])]
    )


def write_phones(dice: Dice, national: Texts, country: Ints) -> Texts:
    """The numbers as people write them: North American forms at home, international ones elsewhere; '' stays ''."""
    code = places().calling_code[country]
    plus = np.strings.add(np.strings.add("+", code), national)
    spaced = np.strings.add(np.strings.add(np.strings.add("+", code), " "), national)
    zeros = np.strings.add(np.strings.add("00", code), national)
    area, middle, last = (np.strings.slice(national, *cut) for cut in ((0, 3), (3, 6), (6, 20)))
    dotted = _joined(area, ".", middle, ".", last)
    dashed = _joined("1-", area, "-", middle, "-", last)
    round_ = _joined("(", area, ") ", middle, "-", last)
    form = dice.random(len(national))
    american = np.select([form < 0.2, form < 0.4, form < 0.6, form < 0.8], [plus, dotted, dashed, round_], national)
    abroad = np.select([form < 0.6, form < 0.88], [plus, spaced], zeros)
    written = np.where(code == "1", american, abroad)
    return np.where(national == "", "", written)


def culture_of(dice: Dice, country: Ints) -> Ints:
    """One culture each, by the country's shares."""
    sums = places().cultures[country]
    return np.asarray((dice.random(len(country))[:, None] >= sums).sum(axis=1), dtype=np.int64)


def draw_countries(dice: Dice, weights: Mapping[CountryName, float], size: int) -> Ints:
    """One country each, by the scenario's weights."""
    return pick(dice, cumulative([weights.get(name, 0.0) for name in COUNTRIES]), size)


def _joined(*parts: Texts | str) -> Texts:
    text: Any = parts[0]
    for part in parts[1:]:
        text = np.strings.add(text, part)
    return np.asarray(text)


def _blocks(lists: list[list[Any]]) -> tuple[Ints, Ints]:
    counts = np.array([len(block) for block in lists], dtype=np.int64)
    return np.cumsum(counts) - counts, counts


def _offsets(zone: str) -> list[int]:
    info = ZoneInfo(zone)
    noons = [(FIRST_DAY + timedelta(days=day, hours=12)).replace(tzinfo=info) for day in range(CALENDAR_DAYS)]
    return [int((noon.utcoffset() or timedelta()).total_seconds()) for noon in noons]
