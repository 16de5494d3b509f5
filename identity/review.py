"""The review queue: pairs about which one answer of a person would change or teach most.

A question is a pair that the model is unsure of, a merge that was refused, or a link that only a name holds. Its value
is the uncertainty of the answer times the number of pairs of records that the answer would join or part. What
decisions settle already, carried out or not, is not asked again. Only keys and probabilities leave this module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from cdp.domain.decisions import StandingLink
from identity.clustering import NEVER
from identity.contradictions import Settled

# A refused merge of high probability stays in the queue, behind what is open.
_LEAST, _LEAST_REFUSED = 0.02, 0.2
Place = tuple[float, str, str]


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

    @property
    def place(self) -> Place:
        """Where the question stands in the queue."""
        return (self.value, self.record_a, self.record_b)


def review_queue(
    served: duckdb.DuckDBPyConnection,
    standing: Sequence[StandingLink],
    *,
    limit: int = 50,
    after: Place | None = None,
) -> list[Question]:
    """Questions, most valuable first: at most one at a time about a pair of profiles, or within one profile.

    `standing` are the decisions that hold; `after` is the place of the last question seen.
    """
    later = "where value < $value or (value = $value and (record_a, record_b) > ($a, $b))" if after else ""
    bound: dict[str, Any] = dict(zip(("value", "a", "b"), after, strict=True)) if after else {}
    with _settled(served, standing):
        rows = served.execute(
            f"{_QUEUE} select * from asked {later} order by value desc, record_a, record_b limit $limit",
            {**bound, "limit": limit},
        ).fetchall()
    return [Question(*row) for row in rows]


def backlog(served: duckdb.DuckDBPyConnection, standing: Sequence[StandingLink]) -> int:
    """How many questions the queue holds."""
    with _settled(served, standing):
        return int(served.execute(f"{_QUEUE} select count(*) from asked").fetchall()[0][0])


_QUEUE = f"""
with placed as (
    select source || ':' || source_record_id as record_key, profile_id, provisional
    from identity.identity_map where source <> 'marketing'
),
sizes as (select profile_id, count(*) as n from placed group by profile_id),
candidates as (
    select record_a, record_b, probability, null as refused, name_only from identity.edges
    where probability between 0.02 and 0.98 or name_only
    union all
    select record_a, record_b, probability, reason, false from identity.refusals where reason <> '{NEVER}'
),
-- a person looked at these two profiles and keeps them apart
parted as (
    select a.profile_id as profile_a, b.profile_id as profile_b
    from wf_apart as w
    join placed as a on a.record_key = w.group_a
    join placed as b on b.record_key = w.group_b
    where a.profile_id <> b.profile_id
),
open as (
    select q.*, coalesce(a.tied_to, q.record_a) as group_a, coalesce(b.tied_to, q.record_b) as group_b
    from candidates as q
    left join wf_tied as a on a.record_key = q.record_a
    left join wf_tied as b on b.record_key = q.record_b
    where group_a <> group_b
),
weighed as (
    select
        q.record_a, q.record_b, a.profile_id as profile_a, b.profile_id as profile_b, q.probability,
        a.profile_id = b.profile_id as joined,
        case
            when q.refused is not null then 'refused: ' || q.refused
            when q.name_only and a.profile_id = b.profile_id then 'held by a name alone'
            else 'the model is unsure'
        end as reason,
        greatest(4 * q.probability * (1 - q.probability), if(q.refused is not null, {_LEAST_REFUSED}, {_LEAST}))
        * if(a.profile_id = b.profile_id, sa.n - 1, sa.n * sb.n) as value
    from open as q
    anti join wf_apart as w on w.group_a = q.group_a and w.group_b = q.group_b
    join placed as a on a.record_key = q.record_a
    join placed as b on b.record_key = q.record_b
    join sizes as sa on sa.profile_id = a.profile_id
    join sizes as sb on sb.profile_id = b.profile_id
    where q.refused is not null or not q.name_only or a.provisional or b.provisional or a.profile_id <> b.profile_id
),
asked as (
    select * from weighed anti join parted using (profile_a, profile_b)
    qualify row_number() over (
        partition by least(profile_a, profile_b), greatest(profile_a, profile_b)
        order by value desc, record_a, record_b) = 1
)
"""


@contextmanager
def _settled(served: duckdb.DuckDBPyConnection, standing: Sequence[StandingLink]) -> Iterator[None]:
    """`wf_tied` (record_key, tied_to) and `wf_apart` (group_a, group_b, in both orders) while the block lasts."""
    known = Settled(standing)
    tied = {"record_key": list(known.groups), "tied_to": list(known.groups.values())}
    apart = {"group_a": [one for one, _ in known.apart], "group_b": [other for _, other in known.apart]}
    for name, columns in (("wf_tied", tied), ("wf_apart", apart)):
        served.register(name, pa.table({column: pa.array(values, pa.string()) for column, values in columns.items()}))
    try:
        yield
    finally:
        served.unregister("wf_tied")
        served.unregister("wf_apart")
