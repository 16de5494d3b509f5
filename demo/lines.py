"""From columns to bytes: CSV rows, JSON lines, time stamps and random ids, composed column by column.

Everything is Arrow string kernels and byte tables; no row is ever looked at alone. CSV ends lines with CR LF and quotes
only where it must; JSON text is UTF-8, unescaped but for quotes and backslashes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demo.dice import Bools, Dice, Ints, Texts, padded

MS_PER_DAY = 86_400_000
# Milliseconds of 2022-01-01, the first day of the table below, and the number of days in it.
_EPOCH = int(np.datetime64("2022-01-01", "ms").astype(np.int64))
_DAYS = 4 * 366


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint16]]:
    days = np.datetime_as_string(np.datetime64("2022-01-01") + np.arange(_DAYS)).astype("S10")
    clock = np.array([f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(86_400)], dtype="S8")
    millis = np.array([f".{ms:03d}Z" for ms in range(1000)], dtype="S5")
    pairs = np.array([f"{byte:02x}" for byte in range(256)], dtype="S2").view(np.uint16)
    return (
        days.view(np.uint8).reshape(-1, 10),
        clock.view(np.uint8).reshape(-1, 8),
        millis.view(np.uint8).reshape(-1, 5),
        pairs,
    )


def fixed(cells: NDArray[np.uint8]) -> Any:
    """An Arrow string array from a byte matrix, one row one string."""
    import pyarrow as pa

    rows, width = cells.shape
    offsets = np.arange(rows + 1, dtype=np.int64) * width
    return pa.LargeStringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(cells)))


def stamps(ms: Ints) -> Any:
    """`2024-08-05T05:01:09.834Z` from milliseconds since 1970 (2022 to 2025)."""
    days, clock, millis, _ = _tables()
    day, rest = np.divmod(ms - _EPOCH, MS_PER_DAY)
    second, milli = np.divmod(rest, 1000)
    cells = np.empty((len(ms), 24), dtype=np.uint8)
    cells[:, :10] = days[day]
    cells[:, 10] = ord("T")
    cells[:, 11:19] = clock[second]
    cells[:, 19:] = millis[milli]
    return fixed(cells)


def local_dates(ms: Ints) -> tuple[Any, Any]:
    """`2024-08-05` and `05:01:09` from local milliseconds."""
    days, clock, _, _ = _tables()
    day, rest = np.divmod(ms - _EPOCH, MS_PER_DAY)
    return fixed(days[day]), fixed(clock[rest // 1000])


def random_ids(dice: Dice, count: int) -> NDArray[np.uint8]:
    """Random ids in the form of a UUID, as a byte matrix of shape (count, 36)."""
    pairs = _tables()[3]
    hexes = pairs[dice.integers(0, 256, (count, 16), dtype=np.uint8)].view(np.uint8).reshape(count, 32)
    cells = np.full((count, 36), ord("-"), dtype=np.uint8)
    for start, stop, source in ((0, 8, 0), (9, 13, 8), (14, 18, 12), (19, 23, 16), (24, 36, 20)):
        cells[:, start:stop] = hexes[:, source : source + stop - start]
    return cells


def numbers(values: Ints, prefix: str = "", width: int = 0) -> Any:
    """Whole numbers as text, zero-padded to `width`."""
    return texts(padded(values, width, prefix))


def money(cents: Ints) -> Any:
    """Cents as `12.50`."""
    whole, rest = np.divmod(cents, 100)
    return joined(texts(whole.astype(np.str_)), ".", texts(padded(rest, 2)))


def texts(values: Any) -> Any:
    """Any column as Arrow strings (64-bit offsets, so that a chunk may exceed 2 GB)."""
    import pyarrow as pa

    return pa.array(values if isinstance(values, list) else np.asarray(values)).cast(pa.large_string())


def choices(labels: Sequence[str], index: Ints) -> Any:
    """The label of each index."""
    import pyarrow as pa

    return pa.array(list(labels), type=pa.large_string()).take(pa.array(index))


def joined(*parts: Any) -> Any:
    """Row by row concatenation of columns and constants."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ready = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*ready, pa.scalar("", pa.large_string()))


def either(condition: Bools, yes: Any, no: Any) -> Any:
    """`yes` where the condition holds, else `no`; each a column or a constant."""
    import pyarrow as pa
    import pyarrow.compute as pc

    sides = [pa.scalar(side, pa.large_string()) if isinstance(side, str) else side for side in (yes, no)]
    return pc.if_else(pa.array(condition), *sides)


def csv_rows(columns: Sequence[Any]) -> bytes:
    """Rows of a CSV file, without header."""
    parts: list[Any] = []
    for column in columns:
        parts += [_quoted(column), ","]
    return content(joined(*parts[:-1], "\r\n"))


def json_text(values: Any) -> Any:
    """Values as JSON strings with their quotes."""
    import pyarrow.compute as pc

    escaped = pc.replace_substring(pc.replace_substring(texts(values), "\\", "\\\\"), '"', '\\"')
    return joined('"', escaped, '"')


def json_or_null(values: Texts) -> Any:
    """JSON strings, `null` for the empty ones."""
    return either(np.asarray(values) == "", "null", json_text(values))


def content(lines: Any) -> bytes:
    """All strings of an array, one after the other."""
    import pyarrow as pa

    if isinstance(lines, pa.ChunkedArray):
        lines = lines.combine_chunks()
    if not len(lines):
        return b""
    first, last = lines.offset, lines.offset + len(lines)
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int64)
    return bytes(memoryview(lines.buffers()[2])[offsets[first] : offsets[last]])


def _quoted(column: Any) -> Any:
    import pyarrow.compute as pc

    needs = pc.match_substring_regex(column, '[",\r\n]')
    if not pc.any(needs).as_py():
        return column
    return pc.if_else(needs, joined('"', pc.replace_substring(column, '"', '""'), '"'), column)
