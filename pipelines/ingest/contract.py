"""The contract of rows: the typed view of a group goes to the suite in bounded chunks, what fails comes back as keys.

The view is built in SQL, from canonical names; the suites and Great Expectations live in `expectations`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb

from cdp.clock import wall_now
from pipelines.ingest.single import single
from pipelines.sources.entity import Entity
from pipelines.sources.fields import texts

CHUNK_ROWS = 250_000
# As in the suites: clocks run apart and some systems post ahead; an impossible date is years off.
TOLERANCE = timedelta(days=31)


def check_group(connection: duckdb.DuckDBPyConnection, entity: Entity, now: datetime) -> None:
    """Make `typed` (contract view, with `happened_at`) and `failures` (row_no, code, reason) of `judged`."""
    horizon = _horizon(now)
    _type_rows(connection, entity, horizon)
    connection.execute("create or replace temp table failures (row_no bigint, code varchar, reason varchar)")
    lowest, highest = single(connection, "select min(row_no), max(row_no) from typed")
    if lowest is None:
        return
    for first in range(lowest, highest + 1, CHUNK_ROWS):
        _check_chunk(connection, entity, first, horizon)


def _type_rows(connection: duckdb.DuckDBPyConnection, entity: Entity, horizon: datetime) -> None:
    columns = ", ".join(f'{sql} as "{name}"' for name, sql in entity.contract.items())
    latest = f"{horizon + TOLERANCE:%Y-%m-%d %H:%M:%S}"
    records = "(select row_no, file_no, coalesce(mapped, payload) as record from judged where code is null)"
    rows = texts(entity.column_names, [*entity.contract.values(), entity.happened_at], records)
    connection.execute(
        f"""
        create or replace temp table typed as
        select row_no, file_no, {entity.happened_at} as happened_at, {columns}
        from (select *, timestamp '{latest}' as horizon from {rows})
        """
    )


def _check_chunk(connection: duckdb.DuckDBPyConnection, entity: Entity, first: int, horizon: datetime) -> None:
    import pandas as pd

    from expectations import runner

    wanted = ", ".join(f'"{name}"' for name in runner.row_columns(entity.source, entity.entity))
    frame = connection.execute(
        f"select row_no, {wanted} from typed where row_no >= ? and row_no < ? order by row_no",
        [first, first + CHUNK_ROWS],
    ).df()
    failures = runner.check_rows(entity.source, entity.entity, frame.set_index("row_no"), horizon)
    if failures:
        columns = ["row_no", "code", "reason"]
        found = pd.DataFrame([(one.index, one.code, one.reason) for one in failures], columns=columns)
        connection.register("found_failures", found)
        connection.execute("insert into failures select row_no, code, reason from found_failures")
        connection.unregister("found_failures")


def _horizon(now: datetime) -> datetime:
    """What lies beyond cannot have happened: old data replayed under an earlier "now" is not from the future."""
    return max(now.astimezone(UTC), wall_now())
