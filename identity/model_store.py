"""Keeps models with their version and decides which one is in force.

A stored model is used night after night; a new one is made only when there is none, when somebody asks for it, or while
the table is still too small to train: beliefs follow its size until it can be trained on. Frequencies of names are
stored with the model, so that a pair weighs the same however many records come later.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from identity.config import MatchConfig
from identity.model import Model, prior_model
from identity.rules import choose_limits
from identity.training import train

# A belief about a small table is renewed when the table has grown by half.
_GROWTH = 1.5


def active(connection: duckdb.DuckDBPyConnection) -> Model | None:
    """The model in force, if any."""
    rows = connection.execute("select settings from identity.state_models where active").fetchall()
    return Model.from_json(rows[0][0]) if rows else None


def is_outgrown(model: Model, records: int, config: MatchConfig) -> bool:
    """Whether a model of beliefs no longer fits the size of the table, or the columns to compare are others."""
    if model.extra != config.extra:
        return True
    return model.kind == "prior" and (records >= config.train_from or records > _GROWTH * model.records)


def renew(connection: duckdb.DuckDBPyConnection, config: MatchConfig, *, run_id: str, now: datetime) -> Model:
    """Make a model of the records in `identity.state_features`, store it as the one in force and return it."""
    records = int(connection.execute("select count(*) from identity.state_features").fetchall()[0][0])
    limits = choose_limits(connection, config)
    if records >= config.train_from:
        model = train(connection, config, limits)
    else:
        model = prior_model(records, config.extra, limits.per_rule, limits.refused)
    connection.execute("update identity.state_models set active = false where active")
    connection.execute("delete from identity.state_models where model_version = ?", [model.version])
    connection.execute(
        "insert into identity.state_models values (?, ?, ?, ?, ?, true)",
        [model.version, model.to_json(), records, run_id, now.replace(tzinfo=None)],
    )
    _store_frequencies(connection, model)
    return model


def _store_frequencies(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    connection.execute("delete from identity.state_frequencies where model_version = ?", [model.version])
    for comparison in model.comparisons():
        if comparison.rarity is None:
            continue
        connection.execute(
            f"""
            insert into identity.state_frequencies
            select ?, '{comparison.rarity}', {comparison.rarity}, count(*) / sum(count(*)) over ()
            from identity.state_features where {comparison.rarity} is not null group by {comparison.rarity}
            """,
            [model.version],
        )
