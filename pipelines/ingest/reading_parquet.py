"""Parquet: typed columns, nested ones included; the line is the row number. Values become JSON in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cdp.errors import InputError
from pipelines.ingest.reading import CHUNK_ROWS, Chunk
from pipelines.sources.fields import literal


def parquet_columns(path: Path, file: str) -> list[str]:
    """Column names. Raises InputError when the file is damaged or half written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        raise InputError(f"{file} is only half written or damaged (Parquet); deliver it again.") from None


def read_parquet(path: Path, file: str) -> Iterator[Chunk]:
    """Chunks of at most `CHUNK_ROWS` rows. Raises InputError for a damaged file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = parquet_columns(path, file)
    keys = [f"c{number}" for number in range(len(names))]
    kinds = pq.read_schema(path).types
    values = (_whole(key) if pa.types.is_floating(kind) else key for key, kind in zip(keys, kinds, strict=True))
    payload = ", ".join(f"{literal(name)}, {value}" for name, value in zip(names, values, strict=True))
    row = 1
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=CHUNK_ROWS):
            lines = pa.array(range(row, row + batch.num_rows), pa.int64())
            table = pa.Table.from_arrays([lines, *batch.columns], names=["line", *keys])
            row += batch.num_rows
            yield Chunk(table, f"cast(json_object({payload}) as varchar)")
    except (pa.ArrowException, OSError):
        raise InputError(f"{file} is only half written or damaged (Parquet); deliver it again.") from None


def _whole(key: str) -> str:
    """Whole numbers without a fraction: where one value is missing, tools write a column of ids as 7.0, 8.0."""
    whole = f"when {key} = trunc({key}) and abs({key}) < 9e15 then to_json(cast({key} as bigint))"
    return f"case when not isfinite({key}) then null {whole} else to_json({key}) end"
