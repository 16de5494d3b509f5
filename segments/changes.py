"""Who came and who left between two evaluations, when profiles merge or split in between; and who was in on a date.

A person does not leave by being merged: where any former id of a person was in and the id they live on as is in, the
membership is carried, without exit and entry. A person split off is a new profile that nobody was told of, so it
enters. Exits name the id that once entered, because that is the id that others know.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa
from sqlglot import exp

from segments import compiler, sql

_BATCH = 50_000


def compare(connection: duckdb.DuckDBPyConnection, *, former: str, current: str, merges: str) -> pa.RecordBatchReader:
    """Changes from `former` to `current` as batches of (segment_key, profile_id, change, former_id).

    `former` and `current` name relations of (segment_key, profile_id), `merges` one of (former_id, profile_id): the id
    that a merged profile lives on as (chains already followed). `change` is `entered`, `exited` (former_id is null) or
    `carried` (profile_id is in now and takes the place of former_id). Ordered by segment_key, profile_id, former_id.
    """
    return connection.execute(compiler.text(changes(former, current, merges))).to_arrow_reader(_BATCH)


def changes(former: str, current: str, merges: str) -> exp.Select:
    """The query behind `compare`."""
    lived = exp.Coalesce(this=sql.column("profile_id", "m"), expressions=[sql.column("profile_id", "f")])
    was = (
        exp.select(
            sql.column("segment_key", "f"),
            exp.alias_(sql.column("profile_id", "f"), "former_id", quoted=True),
            exp.alias_(lived, "profile_id", quoted=True),
        )
        .distinct()
        .from_(sql.relation(former, "f"))
        .join(
            sql.relation(merges, "m"),
            on=sql.equals(sql.column("former_id", "m"), sql.column("profile_id", "f")),
            join_type="left",
        )
    )
    now = exp.select(sql.column("segment_key"), sql.column("profile_id")).distinct().from_(sql.relation(current))
    both = exp.and_(
        *[sql.equals(sql.column(name, "was"), sql.column(name, "now")) for name in ("segment_key", "profile_id")],
        copy=False,
    )
    was_in, is_in = (_known(sql.column("profile_id", alias)) for alias in ("was", "now"))
    change = exp.Case(
        ifs=[exp.If(this=exp.not_(was_in), true=sql.text("entered")),
             exp.If(this=exp.not_(is_in), true=sql.text("exited"))],
        default=sql.text("carried"),
    )  # fmt: skip
    stayed = sql.equals(sql.column("former_id", "was"), sql.column("profile_id", "now"))
    told = exp.Case(ifs=[exp.If(this=_known(sql.column("profile_id", "now")), true=sql.column("profile_id", "now"))],
                    default=sql.column("former_id", "was"))  # fmt: skip
    carried = exp.and_(_known(sql.column("profile_id", "was")), _known(sql.column("profile_id", "now")), copy=False)
    columns = {
        "segment_key": exp.Coalesce(
            this=sql.column("segment_key", "now"), expressions=[sql.column("segment_key", "was")]
        ),
        "profile_id": told,
        "change": change,
        "former_id": exp.Case(ifs=[exp.If(this=carried, true=sql.column("former_id", "was"))]),
    }
    order = [sql.column(name) for name in ("segment_key", "profile_id", "former_id")]
    return (
        exp.select(*[exp.alias_(value, name, quoted=True) for name, value in columns.items()])
        .from_(was.subquery("was"))
        .join(now.subquery("now"), on=both, join_type="full")
        .where(exp.not_(sql.known_true(stayed)))
        .order_by(*order)
    )


def members_at(history: str, moment: datetime) -> exp.Select:
    """(segment_key, profile_id) of everyone who was in at a moment, under the id of that time.

    `history` names a relation of (segment_key, profile_id, valid_from, valid_to): in from `valid_from` on and until
    just before `valid_to`, open when that is null.
    """
    at = sql.timestamp(moment)
    still = exp.or_(
        exp.Is(this=sql.column("valid_to"), expression=exp.null()),
        exp.GT(this=sql.column("valid_to"), expression=at.copy()),
        copy=False,
    )
    begun = exp.LTE(this=sql.column("valid_from"), expression=at)
    return (
        exp.select(sql.column("segment_key"), sql.column("profile_id"))
        .distinct()
        .from_(sql.relation(history))
        .where(begun, still)
    )


def _known(column: exp.Expr) -> exp.Expr:
    return exp.Is(this=column, expression=exp.null()).not_()
