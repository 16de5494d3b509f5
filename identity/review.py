"""The review queue: pairs about which one answer of a person would change or teach most.

A question is a pair that the model is unsure of, a merge that was refused, or a link that only a name holds. Its value
is the uncertainty of the answer times the number of pairs of records that the answer would join or part. Pairs that a
decision settles already are not asked again. Only keys and probabilities leave this module.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Question:
    """Are these two records one person? `joined` is the present answer; `value` orders the queue."""

    record_a: str
    record_b: str
    profile_a: str
    profile_b: str
    probability: float
    joined: bool
    reason: str
    value: float


def review_queue(connection: duckdb.DuckDBPyConnection, *, limit: int = 50, offset: int = 0) -> list[Question]:
    """Questions, most valuable first; at most one per pair of profiles, and one per record within a profile."""
    rows = connection.execute(
        """
        with placed as (
            select source || ':' || source_record_id as record_key, profile_id, provisional
            from identity.identity_map where source <> 'marketing'
        ),
        sizes as (select profile_id, count(*) as n from placed group by profile_id),
        decided as (
            select record_a, record_b from identity.decisions where active
            union select record_b, record_a from identity.decisions where active
        ),
        asked as (
            select record_a, record_b, probability, null as reason, name_only from identity.edges
            where probability between 0.02 and 0.98 or name_only
            union all
            select record_a, record_b, probability, reason, false from identity.refusals
        ),
        weighed as (
            select
                q.record_a, q.record_b, a.profile_id as profile_a, b.profile_id as profile_b, q.probability,
                a.profile_id = b.profile_id as joined,
                case
                    when q.reason is not null then 'refused: ' || q.reason
                    when q.name_only and a.profile_id = b.profile_id then 'held by a name alone'
                    else 'the model is unsure'
                end as reason,
                -- 0.02 keeps a refused merge of high probability in the queue, behind what is open
                greatest(4 * q.probability * (1 - q.probability), if(q.reason is not null, 0.2, 0.02))
                * if(a.profile_id = b.profile_id, sa.n - 1, sa.n * sb.n) as value
            from asked as q
            join placed as a on a.record_key = q.record_a
            join placed as b on b.record_key = q.record_b
            join sizes as sa on sa.profile_id = a.profile_id
            join sizes as sb on sb.profile_id = b.profile_id
            where q.reason is not null or not q.name_only or a.provisional or b.provisional
                or a.profile_id <> b.profile_id
        )
        select record_a, record_b, profile_a, profile_b, probability, joined, reason, value
        from weighed anti join decided using (record_a, record_b)
        qualify row_number() over (
            partition by least(profile_a, profile_b), greatest(profile_a, profile_b), if(joined, record_a, '')
            order by value desc, record_a, record_b) = 1
        order by value desc, record_a, record_b limit ? offset ?
        """,
        [limit, offset],
    ).fetchall()
    return [Question(*row) for row in rows]


def backlog(connection: duckdb.DuckDBPyConnection) -> int:
    """How many questions the queue holds."""
    return len(review_queue(connection, limit=1_000_000))
