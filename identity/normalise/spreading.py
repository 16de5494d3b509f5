"""Functions of one value → columns of a table: each distinct value is worked on once and spread back over the rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pa.string()
LIST_COLUMNS = frozenset({"given_roots"})
Columns = dict[str, pa.Array]


class Distinct(NamedTuple):
    """The distinct combinations of some columns, one list per column, and each row's position among them."""

    values: list[list[str | None]]
    positions: pa.Array


def distinct(columns: Sequence[pa.Array], *, optional: bool = False) -> Distinct:
    """Distinct combinations; rows whose first column is null have none, unless any column will do (`optional`)."""
    encoded = [column.dictionary_encode() for column in columns]
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    empty = np.ones(len(columns[0]), dtype=bool)
    for place, column in enumerate(encoded):
        index = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        codes = codes * (len(column.dictionary) + 1) + index + 1
        if optional or place == 0:
            empty &= index < 0
        if place and place + 1 < len(encoded):
            # Kept dense, so that the product of four large vocabularies cannot overflow.
            codes = np.unique(codes, return_inverse=True)[1].reshape(-1)
    _, first, positions = np.unique(codes, return_index=True, return_inverse=True)
    values = [column.take(pa.array(first)).to_pylist() for column in columns]
    return Distinct(values, pa.array(positions.reshape(-1), mask=empty))


def spread(
    found: Distinct, names: Sequence[str], function: Callable[..., Sequence[Any]], *, optional: bool = False
) -> Columns:
    """`function` over the distinct values, its results as columns of the whole table; null where nothing is stated."""
    blank = (None,) * len(names)
    results = [
        function(*arguments) if optional or arguments[0] is not None else blank
        for arguments in zip(*found.values, strict=True)
    ]
    fields = zip(*results, strict=True) if results else [()] * len(names)
    return {
        name: pa.array(field, type_of(name)).take(found.positions) for name, field in zip(names, fields, strict=True)
    }


def type_of(name: str) -> pa.DataType:
    """The type of a normalised column."""
    return pa.list_(TEXT) if name in LIST_COLUMNS else TEXT


def mask_of(condition: pa.Array) -> npt.NDArray[np.bool_]:
    """A condition as a numpy mask; unknown counts as false."""
    return np.asarray(pc.fill_null(condition, False).to_numpy(zero_copy_only=False), dtype=bool)


def merged(chosen: npt.NDArray[np.bool_], there: Mapping[str, pa.Array], elsewhere: Mapping[str, pa.Array]) -> Columns:
    """Columns of the rows where `chosen` holds, and of the others, back in the order of the table."""
    count = int(chosen.sum())
    positions = np.empty(len(chosen), dtype=np.int64)
    positions[chosen] = np.arange(count)
    positions[~chosen] = np.arange(count, len(chosen))
    return {name: pa.concat_arrays([there[name], elsewhere[name]]).take(pa.array(positions)) for name in elsewhere}
