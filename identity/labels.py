"""Decisions as labels: how far the model agrees with people, and what it learns from them when it is trained.

A label is a link of a decision that holds: a pair of records of which a person knows whether they are one person. It
counts as one observed pair, with certainty instead of a probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from cdp.domain.decisions import Decision
from identity.config import PIPELINE, MatchConfig
from identity.rules import RULES, Limits


def agreement(
    connection: duckdb.DuckDBPyConnection, decisions: Sequence[Decision], *, config: MatchConfig = PIPELINE
) -> dict[str, Any]:
    """What decisions that hold say of the model and of the identity map, as JSON.

    `labels` counts links, `model_agrees` those that the stored edges alone would answer the same way (a pair without an
    edge was too unlikely to be kept); `carried_out` counts the labels that are true of the identity map.
    """
    rows = [
        {"decided": decision.kind, "kind": link.kind, "record_a": link.record_a, "record_b": link.record_b}
        for decision in decisions
        if decision.active
        for link in decision.links
    ]
    schema = pa.schema([(name, pa.string()) for name in ("decided", "kind", "record_a", "record_b")])
    connection.register("wf_labels", pa.Table.from_pylist(rows, schema=schema))
    try:
        found = connection.execute(
            f"""
            with placed as (
                select source || ':' || source_record_id as record_key, profile_id
                from identity.identity_map where source <> 'marketing'
            )
            select l.decided, count(*),
                count(*) filter ((coalesce(e.weight, -1000) >= {config.join_weight!r}) = (l.kind = 'always')),
                count(*) filter ((a.profile_id = b.profile_id) = (l.kind = 'always'))
            from wf_labels as l
            join placed as a on a.record_key = l.record_a
            join placed as b on b.record_key = l.record_b
            left join identity.edges as e on e.record_a = l.record_a and e.record_b = l.record_b
            group by l.decided order by l.decided
            """
        ).fetchall()
    finally:
        connection.unregister("wf_labels")
    labels, agreeing, carried_out = (sum(int(row[place]) for row in found) for place in (1, 2, 3))
    return {
        "decisions": sum(decision.active for decision in decisions),
        "labels": labels,
        "model_agrees": agreeing,
        "agreement": agreeing / labels if labels else None,
        "carried_out": carried_out,
        "by_kind": {kind: {"labels": int(count), "model_agrees": int(same)} for kind, count, same, _ in found},
    }


def mark_sample(connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
    """Let people's word count in the training sample `wf_training`.

    Pairs they know are marked `certain` (one person) or `forbidden` (two people), and are always in the sample of the
    rules that propose them.
    """
    connection.execute(
        """
        create or replace temp table wf_labels as
        select a.number as a, b.number as b, bool_or(d.kind = 'always') as same
        from identity.decisions as d
        join wf_keyed as a on a.record_key = d.record_a
        join wf_keyed as b on b.record_key = d.record_b
        group by all
        """
    )
    for place, rule in enumerate(RULES):
        if limits.per_rule.get(rule.name, 0) == 0:
            continue
        connection.execute(
            f"""
            insert into wf_training
            select {place}, l.a, l.b, not l.same, l.same, 1.0
            from wf_labels as l
            join wf_keyed as a on a.number = l.a
            join wf_keyed as b on b.number = l.b and a.k_{rule.name} = b.k_{rule.name}
            where not exists (
                select 1 from wf_training as t
                where t.rule = {place}
                    and least(t.a, t.b) = least(l.a, l.b) and greatest(t.a, t.b) = greatest(l.a, l.b))
            """
        )
    connection.execute(
        """
        update wf_training set forbidden = not l.same, certain = l.same, share = 1.0
        from wf_labels as l
        where wf_training.rule >= 0 and least(wf_training.a, wf_training.b) = least(l.a, l.b)
          and greatest(wf_training.a, wf_training.b) = greatest(l.a, l.b)
        """
    )
    connection.execute("drop table wf_labels")
