"""One resolution: from a table of records to profiles, doing only what has changed.

The pipeline and the standalone command share this path. Everything happens inside the caller's transaction on the
connection given; Splink works beside it on a database of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb

from cdp.domain.decisions import Rulings
from cdp.wording import counted
from identity import blocking, changes, components, hubs, matching, membership, model_store, rules
from identity.config import MatchConfig
from identity.membership import Run
from identity.model import Model
from identity.rulings import NONE, receive

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What a resolution did; all numbers are of this run except `records`."""

    records: int
    arrived: int
    deleted: int
    pairs: int
    reclustered: int
    model_version: str
    events: dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything was matched or clustered."""
        return self.reclustered > 0 or self.deleted > 0


def resolve_records(
    connection: duckdb.DuckDBPyConnection,
    records: str,
    config: MatchConfig,
    run: Run,
    *,
    rulings: Rulings = NONE,
    progress: Progress | None = None,
    renew_model: bool = False,
    rebuild: bool = False,
) -> Outcome:
    """Resolve the table `records` (columns as in `intermediate.int_source_records`) into `identity.identity_map`.

    `rulings` are all that people decided and that holds. Unchanged input does no matching and no model work.
    `renew_model` trains anew and scores everything again; `rebuild` scores everything again with the model in force.
    Both keep profile ids.
    """
    tell = progress or (lambda message: None)
    found = changes.detect(connection, records, config, rebuild=rebuild)
    model = model_store.active(connection)
    renew = renew_model or model is None or model_store.is_outgrown(model, found.records, config)
    decided = receive(connection, rulings)
    if not (found.arrived or found.deleted or decided or (renew_model and found.records)):
        return Outcome(found.records, 0, 0, 0, 0, model.version if model else "none")
    tell(f"identity: {counted(found.arrived, 'record')} to match")
    changes.apply(connection, records, config)
    hubs.refresh(connection, config)
    if renew or model is None:
        tell("identity: making a model")
        model = model_store.renew(connection, config, run_id=run.run_id, now=run.now)
        touch_everything(connection)
    pairs, reclustered, events = settle(connection, model, config, run, progress=tell)
    return Outcome(found.records, found.arrived, found.deleted, pairs, reclustered, model.version, events)


def settle(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    config: MatchConfig,
    run: Run,
    *,
    progress: Progress | None = None,
) -> tuple[int, int, dict[str, int]]:
    """Block, score, cluster and name what `wf_touched`, `wf_gone` and new decisions concern.

    Returns the pairs compared, the records clustered and the events by kind.
    """
    tell = progress or (lambda message: None)
    pairs = _match(connection, model, config)
    tell(f"identity: {counted(pairs, 'pair')} compared")
    _affect_decided(connection)
    reclustered = components.grow_affected(connection, config)
    components.recluster(connection, model, config)
    tell(f"identity: {counted(reclustered, 'record')} clustered")
    events = membership.assign(connection, run)
    return pairs, reclustered, events


def touch_everything(connection: duckdb.DuckDBPyConnection) -> None:
    """Let every stored record be matched anew; follows `changes.apply`."""
    connection.execute("create or replace temp table wf_touched as select record_key from identity.state_features")
    connection.execute("create or replace temp table wf_delta as select * from identity.state_features")
    connection.execute("delete from identity.state_crowded")


def _match(connection: duckdb.DuckDBPyConnection, model: Model, config: MatchConfig) -> int:
    """Replace the edges of touched records; what they were joined to is affected too. Returns the pairs compared."""
    limits = rules.Limits(model.limits, model.refused)
    _prepare_keys(connection, limits)
    connection.execute(
        """
        create or replace temp table wf_stale as
        select record_key from wf_touched union select record_key from wf_gone
        """
    )
    connection.execute(
        """
        create or replace temp table wf_loose as
        select rowid as place, record_a, record_b from identity.edges
        where record_a in (select record_key from wf_stale) or record_b in (select record_key from wf_stale)
        """
    )
    connection.execute(
        """
        insert into wf_affected
        select record_a from wf_loose union select record_b from wf_loose union select record_key from wf_touched
        """
    )
    connection.execute("delete from identity.edges where rowid in (select place from wf_loose)")
    connection.execute("drop table wf_loose; drop table wf_stale")
    pairs = blocking.block(connection, limits, config)
    wanted = matching.Pairs("wf_pairs", "wf_keyed")
    edges = matching.score(connection, wanted, model, keep_weight=config.keep_weight)
    connection.register("arriving", edges)
    connection.execute(
        "insert into identity.edges select least(a.record_key, b.record_key), greatest(a.record_key, b.record_key), "
        "e.weight, e.probability, e.name_only, ? "
        "from arriving as e join wf_keyed as a on a.number = e.a join wf_keyed as b on b.number = e.b",
        [model.version],
    )
    connection.unregister("arriving")
    connection.execute("drop table wf_pairs; drop table wf_keyed")
    return pairs


def _prepare_keys(connection: duckdb.DuckDBPyConnection, limits: rules.Limits) -> None:
    """`wf_keyed` and the crowded keys, around what was touched where that is little."""
    only_near = blocking.refresh_keys(connection)
    blocking.number_keys(connection, limits, only_near=only_near)
    if blocking.refresh_crowded(connection, limits, only_near=only_near) and only_near:
        # More records are touched; their other keys lead further than what is near.
        blocking.number_keys(connection, limits, only_near=False)


def _affect_decided(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("insert into wf_affected select record_key from wf_decided")
