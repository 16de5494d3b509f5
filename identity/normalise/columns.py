"""Whole tables of source records → the normalised columns that matching reads.

Each text is normalised once per distinct value (or distinct combination, for names and for values read in a country)
and spread back over the records, so a run costs in proportion to what is different.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from identity.normalise import bulk
from identity.normalise.address import normalise_city, normalise_postcode, normalise_region
from identity.normalise.birth_date import normalise_birth_date
from identity.normalise.country import country_code
from identity.normalise.phone import normalise_phone
from identity.normalise.spreading import TEXT, distinct, spread

_PHONE = ("phone_e164", "phone_kind", "phone_ext")
_DATE = ("dob_iso", "dob_swapped", "dob_precision")
_NAME_COLUMNS = ("first_name", "middle_name", "last_name", "full_name")
# Countries that write the month before the day; everywhere else 03/04/1980 is the third of April.
_MONTH_FIRST = frozenset({"US", "PH", "PR", "GU", "VI", "AS", "MP", "FM", "MH", "PW", "BZ", None})


def record_columns(table: pa.Table, *, default_country: str | None = "US") -> pa.Table:
    """Normalised columns, one row per row of `table`, in its order.

    `table` holds `record_key` and any of first_name, middle_name, last_name, full_name, email, phone, birth_date,
    street, city, region, postcode, country (text; a missing column counts as null). The result holds `record_key` and
    email_norm, email_local, email_domain, email_kind, email_base; phone_e164, phone_kind, phone_ext; given_norm,
    given_root, given_roots (list of text), given_initial, middle_norm, family_norm, name_suffix, full_norm, name_key;
    dob_iso, dob_swapped, dob_precision; street_norm (words only), house_number, unit; postcode_norm, city_norm,
    region_norm. All others are text, null where the record has nothing usable. `default_country` (alpha-2) is assumed
    where a record names no country.
    """
    region = _regions(table, default_country)

    def by_value(name: str, *results: str, function: Callable[..., tuple[str | None, ...]]) -> dict[str, pa.Array]:
        return spread(distinct([_flat(table, name), region]), results, function)

    return pa.table(
        {
            "record_key": _flat(table, "record_key"),
            **bulk.emails(_flat(table, "email")),
            **by_value("phone", *_PHONE, function=normalise_phone),
            **bulk.names(*(_flat(table, name) for name in _NAME_COLUMNS)),
            **by_value("birth_date", *_DATE, function=_birth_date),
            **bulk.streets(_flat(table, "street")),
            **by_value("postcode", "postcode_norm", function=partial(_tuple_of, normalise_postcode)),
            **by_value("city", "city_norm", function=_city),
            **by_value("region", "region_norm", function=partial(_tuple_of, normalise_region)),
        }
    )


def _birth_date(text: str, region: str | None) -> tuple[str | None, ...]:
    return normalise_birth_date(text, day_first=region not in _MONTH_FIRST)


def _city(text: str, _: str | None) -> tuple[str | None]:
    return (normalise_city(text),)


def _tuple_of(function: Callable[..., str | None], *arguments: str | None) -> tuple[str | None]:
    return (function(*arguments),)


def _flat(table: pa.Table, name: str) -> pa.Array:
    """The column as one array of trimmed text, blank as null; nulls when the table lacks it."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, TEXT)
    column = table.column(name)
    column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if column.type != TEXT:
        column = pc.cast(column, TEXT)
    if name == "record_key":
        return column
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(pc.utf8_length(trimmed), 0), pa.scalar(None, TEXT), trimmed)


def _regions(table: pa.Table, default_country: str | None) -> pa.Array:
    """Alpha-2 code of each record's country, else the default."""
    country = _flat(table, "country")
    default = pa.scalar(default_country, TEXT)
    if country.null_count == len(country):
        return pa.repeat(default, len(country))
    encoded = country.dictionary_encode()
    codes = pa.array([country_code(value) for value in encoded.dictionary.to_pylist()], TEXT)
    return pc.coalesce(codes.take(encoded.indices), default)
