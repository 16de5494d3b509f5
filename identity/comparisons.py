"""How two records are compared: per field, an ordered list of levels of agreement in SQL.

Each level carries the shares that a tenant too small to train starts from: `m` among records of one person, `u` among
strangers, `h` among different people of one household. Cheap tests come first, edit distances last. Levels are
symmetric, so a pair scores the same whichever record is on the left. No data and no Splink import here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Level:
    """One level of agreement: its SQL over `<column>_l`/`<column>_r`, its words, and its prior shares.

    `u` of a learned level is measured on random pairs. Of the others it is a belief, because in a small table almost
    all random pairs that share a mail address are one person: `scaled` ones are the share in a table of 10,000 records
    and fall with its size, fixed ones (birth dates) do not.
    """

    words: str
    sql: str
    m: float
    u: float
    h: float
    u_is: Literal["learned", "scaled", "fixed"] = "learned"
    rarity: str | None = None  # column whose frequency scales the weight of an agreement
    slip: bool = False  # a miswritten first level: never stronger evidence than the first


@dataclass(frozen=True)
class Comparison:
    """One field's levels, best first, the last being ELSE; `missing` is the SQL under which the field says nothing."""

    name: str
    columns: tuple[str, ...]
    missing: str
    levels: tuple[Level, ...]
    # What tells the members of a household apart; training may not redefine who they are.
    personal: bool = False
    is_name: bool = False

    @property
    def rarity(self) -> str | None:
        """The column whose frequencies this comparison needs."""
        return next((level.rarity for level in self.levels if level.rarity), None)


def _missing(*columns: str) -> str:
    return " or ".join(f"{column}_{side} is null" for column in columns for side in "lr")


def at_most_one_edit(column: str) -> str:
    """At most one letter added, lost, changed or two swapped; measured only where it can be.

    A slip lies in one quarter, so what is before and behind that quarter is the same: four cheap tests of which one
    holds spare most of the distances.
    """
    shorter = f"least(length({column}_l), length({column}_r))"
    # Two swapped letters are one more than a quarter holds.
    part = f"greatest({shorter} * {{1}} // 4 - 1, 0)"
    same = f"{{0}}({column}_l, {part}) = {{0}}({column}_r, {part})"
    quarters = " or ".join(
        f"{same.format('left', quarter)} and {same.format('right', 3 - quarter)}" for quarter in range(4)
    )
    return f"({quarters}) and damerau_levenshtein({column}_l, {column}_r) <= 1"


def _slip(column: str) -> str:
    """A slip in a word, which cannot fail at both ends."""
    return (
        f"abs(length({column}_l) - length({column}_r)) <= 1 and length({column}_l) > 2 "
        f"and (left({column}_l, 2) = left({column}_r, 2) or right({column}_l, 2) = right({column}_r, 2)) "
        f"and {at_most_one_edit(column)}"
    )


def _alike(column: str, least: float) -> str:
    return (
        f"left({column}_l, 1) = left({column}_r, 1) and length({column}_l) > 2 and length({column}_r) > 2 "
        f"and jaro_winkler_similarity({column}_l, {column}_r) >= {least}"
    )


def _digits_slip(column: str, start: int, end: int) -> str:
    """The same for codes; one slip leaves the first `start` or the last `end` characters alone."""
    return (
        f"(left({column}_l, {start}) = left({column}_r, {start}) "
        f"or right({column}_l, {end}) = right({column}_r, {end})) and {at_most_one_edit(column)}"
    )


_INITIAL = "(length(given_l) = 1 or length(given_r) = 1)"
_SWAPPED = "given_l = family_r and given_r = family_l"

GIVEN = Comparison(
    name="given",
    columns=("given", "given_root", "given_roots", "middle", "suffix", "family", "tf_given"),
    missing=_missing("given"),
    levels=(
        Level(
            "same name, different generation",
            "given_l = given_r and suffix_l <> suffix_r",
            0.002,
            0.0001,
            0.01,
            "fixed",
        ),
        Level(
            "first names agree as far as an initial tells",
            f"{_INITIAL} and left(given_l, 1) = left(given_r, 1)",
            0.02,
            0.003,
            0.004,
        ),
        Level("same first name", "given_l = given_r", 0.85, 0.005, 0.012, rarity="given"),
        Level(
            "forms of one first name",
            "given_root_l = given_root_r or ((contains(given_roots_l, '|') or contains(given_roots_r, '|')) "
            "and list_has_any(string_split(given_roots_l, '|'), string_split(given_roots_r, '|')))",
            0.03,
            0.001,
            0.002,
        ),
        Level("first and last name swapped", _SWAPPED, 0.003, 0.000002, 0.00002, "fixed"),
        Level(
            "first names differ by a slip",
            f"not {_INITIAL} and ({_slip('given')} or {_alike('given', 0.92)})",
            0.05,
            0.004,
            0.006,
        ),
        Level(
            "first name of one is the other's middle name",
            "given_l = middle_r or given_r = middle_l",
            0.008,
            0.001,
            0.008,
        ),
        Level("different first names", "ELSE", 0.037, 0.986, 0.958),
    ),
    personal=True,
    is_name=True,
)

FAMILY = Comparison(
    name="family",
    columns=("family", "given", "tf_family"),
    missing=f"{_missing('family')} or ({_SWAPPED})",
    levels=(
        Level("same last name", "family_l = family_r", 0.9, 0.001, 0.75, rarity="family"),
        Level(
            "last names differ by a slip",
            f"{_slip('family')} or {_alike('family', 0.93)}",
            0.05,
            0.001,
            0.03,
            slip=True,
        ),
        Level(
            "one last name is part of the other",
            "(contains(family_l, ' ') or contains(family_r, ' ')) "
            "and list_has_any(string_split(family_l, ' '), string_split(family_r, ' '))",
            0.01,
            0.0003,
            0.05,
        ),
        Level("different last names", "ELSE", 0.04, 0.998, 0.17),
    ),
    is_name=True,
)

EMAIL = Comparison(
    name="email",
    columns=("email", "email_user"),
    missing=_missing("email"),
    levels=(
        Level("same mail address", "email_l = email_r", 0.7, 0.000002, 0.02, "scaled"),
        Level(
            "mail addresses differ by the provider or a slip",
            "email_user_l = email_user_r "
            f"or ({_slip('email_user')} and split_part(email_l, '@', 2) = split_part(email_r, '@', 2))",
            0.05,
            0.000005,
            0.002,
            "scaled",
            slip=True,
        ),
        Level("different mail addresses", "ELSE", 0.25, 0.99999, 0.978),
    ),
)

PHONE = Comparison(
    name="phone",
    columns=("phone",),
    missing=_missing("phone"),
    levels=(
        Level("same phone", "phone_l = phone_r", 0.75, 0.000005, 0.3, "scaled"),
        Level("phones differ by a slip", _digits_slip("phone", 7, 5), 0.02, 0.00001, 0.005, "fixed", slip=True),
        Level("different phones", "ELSE", 0.23, 0.99998, 0.695),
    ),
)

_STREETS_ALIKE = "jaro_winkler_similarity(street_l, street_r) >= 0.9"
ADDRESS = Comparison(
    name="address",
    columns=("home", "address", "street", "house_number", "postcode", "city"),
    missing="not coalesce(address_l is not null and address_r is not null "
    "or postcode_l is not null and postcode_r is not null or city_l is not null and city_r is not null, false)",
    levels=(
        Level("same address", "home_l = home_r", 0.6, 0.00005, 0.6, "scaled"),
        Level("same address, one that many share", "address_l = address_r", 0.01, 0.0005, 0.01),
        Level(
            "addresses differ by a slip",
            f"house_number_l = house_number_r and (postcode_l = postcode_r or {_STREETS_ALIKE})",
            0.12,
            0.00005,
            0.12,
            "scaled",
        ),
        Level(
            "same street and postcode",
            f"postcode_l = postcode_r and {_STREETS_ALIKE}",
            0.05,
            0.0001,
            0.04,
            "scaled",
        ),
        Level("same postcode", "postcode_l = postcode_r", 0.06, 0.002, 0.07),
        Level("same city", "city_l = city_r", 0.06, 0.05, 0.06),
        Level("different addresses", "ELSE", 0.1, 0.947, 0.1),
    ),
)

_BOTH_DAYS = "birth_precision_l = 'day' and birth_precision_r = 'day'"
BIRTH = Comparison(
    name="birth",
    columns=("birth", "birth_precision"),
    missing=f"{_missing('birth')} or birth_precision_l = 'placeholder_day' or birth_precision_r = 'placeholder_day'",
    levels=(
        Level(
            "same birth date",
            f"birth_l = birth_r and {_BOTH_DAYS}",
            0.88,
            0.00006,
            0.004,
            "fixed",
        ),
        Level(
            "birth dates differ by a slip",
            f"{_BOTH_DAYS} and (({_digits_slip('birth', 5, 5)}) or (left(birth_l, 4) = left(birth_r, 4) "
            "and substr(birth_l, 6, 2) = substr(birth_r, 9, 2) and substr(birth_l, 9, 2) = substr(birth_r, 6, 2)))",
            0.07,
            0.0012,
            0.003,
            "fixed",
            slip=True,
        ),
        Level(
            "birth dates agree in the year or in the day and month",
            f"left(birth_l, 4) = left(birth_r, 4) or (substr(birth_l, 6) = substr(birth_r, 6) and {_BOTH_DAYS})",
            0.03,
            0.02,
            0.03,
            "fixed",
        ),
        Level("different birth dates", "ELSE", 0.02, 0.97874, 0.963),
    ),
    personal=True,
)

NATIONAL_ID = Comparison(
    name="national_id",
    columns=("national_id",),
    missing=_missing("national_id"),
    levels=(
        Level("same national id", "national_id_l = national_id_r", 0.9, 0.000002, 0.002, "scaled"),
        Level(
            "national ids differ by a slip", _digits_slip("national_id", 4, 4), 0.05, 0.00002, 0.001, "fixed", slip=True
        ),
        Level("different national ids", "ELSE", 0.05, 0.99997, 0.997),
    ),
    personal=True,
)

PERSON = (GIVEN, FAMILY, EMAIL, PHONE, ADDRESS, BIRTH, NATIONAL_ID)


def extra(column: str, kind: str) -> Comparison:
    """A comparison for a column of the user's own: `exact`, or `text` where a slip is forgiven."""
    same = Level(f"same {column}", f"{column}_l = {column}_r", 0.85, 0.05, 0.3, rarity=column)
    slip = Level(f"{column} differs by a slip", _alike(column, 0.9), 0.07, 0.02, 0.05, slip=True)
    other = Level(f"different {column}", "ELSE", 0.1, 0.93, 0.65)
    levels = (same, slip, other) if kind == "text" else (same, other)
    return Comparison(column, (column, f"tf_{column}"), _missing(column), levels)


def comparisons(extras: tuple[tuple[str, str], ...] = ()) -> tuple[Comparison, ...]:
    """Every comparison of a model: those of a person, then the user's own columns."""
    return (*PERSON, *(extra(column, kind) for column, kind in extras))
