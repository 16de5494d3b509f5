"""Whole tables of source records → the normalised columns that matching reads.

Each text is normalised once per distinct value (or distinct combination, for names and for values read in a country)
and spread back over the records, so a run costs in proportion to what is different.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from identity.normalise.address import normalise_city, normalise_postcode, normalise_region, normalise_street
from identity.normalise.birth_date import normalise_birth_date
from identity.normalise.country import country_code
from identity.normalise.email import normalise_email
from identity.normalise.name import normalise_name
from identity.normalise.phone import normalise_phone

_TEXT = pa.string()
_EMAIL = ("email_norm", "email_local", "email_domain", "email_kind", "email_base")
_PHONE = ("phone_e164", "phone_kind", "phone_ext")
_NAME = (
    "given_norm", "given_root", "given_roots", "given_initial", "middle_norm", "family_norm", "name_suffix",
    "full_norm", "name_key",
)  # fmt: skip
_DATE = ("dob_iso", "dob_swapped", "dob_precision")
_STREET = ("street_norm", "house_number", "unit")
_NAME_COLUMNS = ("first_name", "middle_name", "last_name", "full_name")
# Countries that write the month before the day; everywhere else 03/04/1980 is the third of April.
_MONTH_FIRST = frozenset({"US", "PH", "PR", "GU", "VI", "AS", "MP", "FM", "MH", "PW", "BZ", None})


class _Distinct(NamedTuple):
    """The distinct non-null keys of some columns, one list per column, and each record's position among them."""

    values: list[list[str | None]]
    positions: pa.Array


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
    columns = {"record_key": _flat(table, "record_key")}
    region = _regions(table, default_country)
    columns |= _spread(_distinct([_flat(table, "email")]), _EMAIL, normalise_email)
    columns |= _spread(_distinct([_flat(table, "phone"), region]), _PHONE, normalise_phone)
    columns |= _spread(_distinct([_flat(table, name) for name in _NAME_COLUMNS], optional=True), _NAME, normalise_name)
    columns |= _spread(_distinct([_flat(table, "birth_date"), region]), _DATE, _birth_date)
    columns |= _spread(_distinct([_flat(table, "street")]), _STREET, normalise_street)
    columns |= _spread(_distinct([_flat(table, "postcode"), region]), ("postcode_norm",), _single(normalise_postcode))
    columns |= _spread(_distinct([_flat(table, "city")]), ("city_norm",), _single(normalise_city))
    columns |= _spread(_distinct([_flat(table, "region"), region]), ("region_norm",), _single(normalise_region))
    return pa.table(columns)


def _birth_date(text: str, region: str | None) -> tuple[str | None, ...]:
    return normalise_birth_date(text, day_first=region not in _MONTH_FIRST)


def _single(function: Callable[..., str | None]) -> Callable[..., tuple[str | None]]:
    return partial(_tuple_of, function)


def _tuple_of(function: Callable[..., str | None], *arguments: str | None) -> tuple[str | None]:
    return (function(*arguments),)


def _flat(table: pa.Table, name: str) -> pa.Array:
    """The column as one array of trimmed text, blank as null; nulls when the table lacks it."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, _TEXT)
    column = table.column(name)
    column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if column.type != _TEXT:
        column = pc.cast(column, _TEXT)
    if name == "record_key":
        return column
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(pc.utf8_length(trimmed), 0), pa.scalar(None, _TEXT), trimmed)


def _regions(table: pa.Table, default_country: str | None) -> pa.Array:
    """Alpha-2 code of each record's country, else the default."""
    country = _flat(table, "country")
    default = pa.scalar(default_country, _TEXT)
    if country.null_count == len(country):
        return pa.repeat(default, len(country))
    encoded = country.dictionary_encode()
    codes = pa.array([country_code(value) for value in encoded.dictionary.to_pylist()], _TEXT)
    return pc.coalesce(codes.take(encoded.indices), default)


def _distinct(columns: Sequence[pa.Array], *, optional: bool = False) -> _Distinct:
    """Distinct combinations of the columns; records whose first column is null have none, unless `optional`."""
    encoded = [column.dictionary_encode() for column in columns]
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    empty = np.ones(len(columns[0]), dtype=bool)
    for place, column in enumerate(encoded):
        index = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = codes * (len(column.dictionary) + 1) + index + 1
        if optional or place == 0:
            empty &= index < 0
    _, first, positions = np.unique(codes, return_index=True, return_inverse=True)
    values = [column.take(pa.array(first)).to_pylist() for column in columns]
    return _Distinct(values, pa.array(positions.reshape(-1), mask=empty))


def _spread(distinct: _Distinct, names: Sequence[str], function: Callable[..., Sequence[Any]]) -> dict[str, pa.Array]:
    """`function` over the distinct values, its results as columns of the whole table."""
    blank = (None,) * len(names)
    optional = len(distinct.values) == len(_NAME_COLUMNS)
    results = [
        function(*arguments) if optional or arguments[0] is not None else blank
        for arguments in zip(*distinct.values, strict=True)
    ]
    fields = zip(*results, strict=True) if results else [()] * len(names)
    return {
        name: pa.array(field, pa.list_(_TEXT) if name == "given_roots" else _TEXT).take(distinct.positions)
        for name, field in zip(names, fields, strict=True)
    }
