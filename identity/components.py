"""From stored edges to the clusters of everything that a change may have touched.

`wf_affected` grows along edges and always-links to whole components; only those are clustered again. Components in
which something contradicts get all their missing pairs scored first, so that a judgement never rests on what blocking
happened to propose. Writes `wf_clusters` (record_key, label, confidence, provisional) and `identity.refusals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from identity import clustering, matching
from identity.clustering import Graph
from identity.config import MatchConfig
from identity.model import Model

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# Above this share of all records a walk along the edges costs more than looking at everything.
_WHOLE = 0.2
# In larger components only the pairs that blocking proposed are known.
_COMPLETED = 60
_SIGNATURES = (
    "case when length(given) > 1 then given_root end",
    "case when birth_precision = 'day' then birth end",
    "national_id",
)


def grow_affected(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> int:
    """Extend `wf_affected` to whole components of living records; returns their number of records."""
    # Whoever shares a profile with a touched record is touched too: a deleted record may have held the others together
    # through decisions, of which no edge tells, and a profile is given anew for all of its records or for none.
    connection.execute(
        """
        create or replace temp table wf_frontier as
        with concerned as (
            select distinct profile_id from identity.state_history semi join wf_affected using (record_key)
            where to_seq is null
        ),
        together as (
            select record_key from identity.state_history semi join concerned using (profile_id) where to_seq is null
        )
        select record_key from (from wf_affected union from together)
        semi join identity.state_features using (record_key)
        """
    )
    connection.execute("create or replace temp table wf_affected as select * from wf_frontier")
    affected, records = connection.execute(
        "select (select count(*) from wf_affected), (select count(*) from identity.state_features)"
    ).fetchall()[0]
    if affected > _WHOLE * records:
        connection.execute("create or replace temp table wf_affected as select record_key from identity.state_features")
        return int(records)
    while connection.execute("select count(*) from wf_frontier").fetchall()[0][0]:
        connection.execute(
            f"""
            create or replace temp table wf_frontier as
            with links as (
                select record_a, record_b from identity.edges where weight >= {config.join_weight!r}
                union all
                select record_a, record_b from identity.decisions where kind = 'always'
            ),
            reached as (
                select unnest([record_a, record_b]) as record_key from links
                where record_a in (select record_key from wf_frontier)
                    or record_b in (select record_key from wf_frontier)
            )
            select distinct record_key from reached
            semi join identity.state_features using (record_key)
            anti join wf_affected using (record_key)
            """
        )
        connection.execute("insert into wf_affected select * from wf_frontier")
    return int(connection.execute("select count(*) from wf_affected").fetchall()[0][0])


def recluster(connection: duckdb.DuckDBPyConnection, model: Model, config: MatchConfig) -> None:
    """Cluster the records of `wf_affected` anew."""
    import numpy as np

    records = _number(connection)
    graph, name_only = _load(connection, config)
    component = clustering.components(graph, config.join_weight)
    tense = clustering.contradicted(graph, component, _signatures(connection), config)
    if tense.any():
        missing = _score_missing(connection, component, tense, model, config)
        graph.a, graph.b = np.append(graph.a, missing["a"]), np.append(graph.b, missing["b"])
        graph.weight = np.append(graph.weight, missing["weight"])
        name_only = np.append(name_only, missing["name_only"].astype(bool))
        _sort(graph, name_only)
    clusters = clustering.cluster(graph, tense, component, config)
    standing = clustering.standing(graph, clusters.label, name_only, config.join_weight)
    connection.register(
        "arriving",
        pa.table(
            {
                "record_key": records,
                "label": records.take(pa.array(clusters.label)),
                "confidence": standing.confidence,
                "provisional": standing.provisional,
            }
        ),
    )
    connection.execute("create or replace temp table wf_clusters as select * from arriving")
    connection.unregister("arriving")
    _keep_refusals(connection, records, graph, clusters.refused)


def _number(connection: duckdb.DuckDBPyConnection) -> pa.Array:
    """`wf_numbers` (number, record_key, source) in the order of keys; the keys as an array."""
    connection.execute(
        """
        create or replace temp table wf_numbers as
        select row_number() over (order by record_key) - 1 as number, f.record_key, f.source
        from identity.state_features as f semi join wf_affected using (record_key)
        """
    )
    keys = connection.execute("select record_key from wf_numbers order by number").to_arrow_table().column(0)
    return keys.combine_chunks() if keys.num_chunks != 1 else keys.chunk(0)


def _load(connection: duckdb.DuckDBPyConnection, config: MatchConfig) -> tuple[Graph, Array]:
    import numpy as np

    connection.execute(
        """
        create or replace temp table wf_edges as
        select a.number as a, b.number as b, e.weight, e.name_only
        from identity.edges as e
        join wf_numbers as a on a.record_key = e.record_a
        join wf_numbers as b on b.record_key = e.record_b
        """
    )
    edges = connection.execute("select * from wf_edges order by a, b").fetchnumpy()
    order = {source: code for code, source in enumerate(sorted(config.unique_sources))}
    cases = " ".join(f"when source = '{source}' then {code}" for source, code in order.items())
    source = connection.execute(
        f"select {f'case {cases} else -1 end' if cases else '-1'} as source from wf_numbers order by number"
    ).fetchnumpy()["source"]
    links = {kind: _links(connection, kind) for kind in ("always", "never")}
    graph = Graph(
        size=len(source),
        source=np.asarray(source, dtype=np.int64),
        a=np.asarray(edges["a"], dtype=np.int64),
        b=np.asarray(edges["b"], dtype=np.int64),
        weight=np.asarray(edges["weight"], dtype=float),
        always=links["always"],
        never=links["never"],
    )
    return graph, np.asarray(edges["name_only"], dtype=bool)


def _links(connection: duckdb.DuckDBPyConnection, kind: str) -> Array:
    import numpy as np

    found = connection.execute(
        """
        select least(a.number, b.number) as a, greatest(a.number, b.number) as b
        from identity.decisions as d
        join wf_numbers as a on a.record_key = d.record_a
        join wf_numbers as b on b.record_key = d.record_b
        where d.kind = ? and a.number <> b.number
        group by all order by all
        """,
        [kind],
    ).fetchnumpy()
    return np.column_stack([np.asarray(found["a"], dtype=np.int64), np.asarray(found["b"], dtype=np.int64)])


def _signatures(connection: duckdb.DuckDBPyConnection) -> list[Array]:
    """What a person has one of, numbered; -1 where not stated."""
    import numpy as np

    columns = ", ".join(f"{expression} as s{place}" for place, expression in enumerate(_SIGNATURES))
    table = connection.execute(
        f"select {columns} from wf_numbers join identity.state_features using (record_key) order by number"
    ).to_arrow_table()
    codes = []
    for column in table.columns:
        indices = column.combine_chunks().dictionary_encode()
        indices = indices.combine_chunks().indices if isinstance(indices, pa.ChunkedArray) else indices.indices
        codes.append(np.asarray(indices.fill_null(-1), dtype=np.int64))
    return codes


def _score_missing(
    connection: duckdb.DuckDBPyConnection,
    component: Array,
    tense: Array,
    model: Model,
    config: MatchConfig,
) -> dict[str, Array]:
    """Weights of the pairs within contradicted components that no edge stands for."""
    import numpy as np

    sizes = np.bincount(component, minlength=len(component))[component]
    chosen = np.flatnonzero(tense & (sizes <= _COMPLETED))
    connection.register("arriving", pa.table({"number": chosen, "component": component[chosen]}))
    unique = ", ".join(f"'{source}'" for source in config.unique_sources) or "''"
    connection.execute(
        f"""
        create or replace temp table wf_missing as
        with inside as (select n.number, n.source, component from arriving join wf_numbers as n using (number)),
        pairs as (
            select l.number as a, r.number as b
            from inside as l join inside as r using (component)
            where l.number < r.number and not (l.source = r.source and l.source in ({unique}))
        )
        select * from pairs anti join wf_edges using (a, b)
        """
    )
    connection.unregister("arriving")
    edges = matching.score(connection, matching.Pairs("wf_missing", "wf_numbers"), model, keep_weight=None)
    connection.execute("drop table wf_missing")
    found = {name: edges.column(name).to_numpy() for name in ("a", "b", "weight", "name_only")}
    return {name: np.asarray(values) for name, values in found.items()}


def _sort(graph: Graph, name_only: Array) -> None:
    """Edges in the order of their records, so that sums do not depend on how the edges came about."""
    import numpy as np

    order = np.lexsort((graph.b, graph.a))
    graph.a, graph.b, graph.weight = graph.a[order], graph.b[order], graph.weight[order]
    name_only[:] = name_only[order]


def _keep_refusals(
    connection: duckdb.DuckDBPyConnection, records: pa.Array, graph: Graph, refused: list[tuple[int, str]]
) -> None:
    import numpy as np

    connection.execute(
        "delete from identity.refusals where record_a in (select record_key from wf_affected) "
        "or record_b in (select record_key from wf_affected) "
        "or record_a not in (select record_key from identity.state_features) "
        "or record_b not in (select record_key from identity.state_features)"
    )
    positions = np.array([position for position, _ in refused], dtype=np.int64)
    weights = graph.weight[positions]
    connection.register(
        "arriving",
        pa.table(
            {
                "record_a": records.take(pa.array(graph.a[positions])),
                "record_b": records.take(pa.array(graph.b[positions])),
                "reason": pa.array([reason for _, reason in refused], pa.string()),
                "probability": 1 / (1 + np.exp2(-np.clip(weights, -60, 60))),
            }
        ),
    )
    connection.execute("insert into identity.refusals select * from arriving")
    connection.unregister("arriving")
