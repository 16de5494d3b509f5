"""Candidate pairs → weighted edges, scored by Splink on a connection of its own.

Input are two tables of the warehouse's connection: pairs of numbers, and whose numbers they are. Only the people named
are copied. Output is an Arrow table of edges. Splink's own tables never reach the warehouse.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from cdp.errors import CdpError
from identity.features import people
from identity.model import Model, double
from identity.scratch import scratch

# Weights beyond this say "certain"; bounding them keeps powers of two and probabilities exact.
MOST = 60.0
_EMPTY_FREQUENCIES = "select null::varchar as {0}, null::double as tf_{0} where false"


@dataclass(frozen=True)
class Pairs:
    """Pairs to score: a table (a, b) of numbers, and the table (number, record_key) that says whose they are."""

    pairs: str
    numbers: str


def score(connection: duckdb.DuckDBPyConnection, pairs: Pairs, model: Model, *, keep_weight: float | None) -> pa.Table:
    """Edges of the pairs: a, b (numbers, a < b), weight, probability, name_only.

    Pairs below `keep_weight` are left out. Weights are log2 odds of at most `MOST`.
    """
    if not connection.execute(f"select 1 from {pairs.pairs} limit 1").fetchall():
        return _no_edges()
    select = f"""
        select a, b, weight, 1 / (1 + pow(2, -weight)) as probability, name_only from (
            select
                a, b, name_only,
                -log2(pow(2, -least(against_strangers, {MOST})) + pow(2, -least(against_home, {MOST}))) as weight
            from ({weights_sql(model)})
        )
    """
    where = "" if keep_weight is None else f" where weight >= {double(keep_weight)}"
    # The weight is at most that against strangers, so Splink may leave out what falls below already.
    with scored(connection, pairs, model, keep_weight=keep_weight) as (scratched, table):
        return scratched.execute(f"{select.format(table=table)}{where}").to_arrow_table()


def _no_edges() -> pa.Table:
    types = {
        "a": pa.int32(),
        "b": pa.int32(),
        "weight": pa.float64(),
        "probability": pa.float64(),
        "name_only": pa.bool_(),
    }
    return pa.schema(types.items()).empty_table()


def weights_sql(model: Model) -> str:
    """SQL over Splink's predictions `{table}`: weights against both alternatives, and whether only names agree."""
    names = list(model.shares)
    home = " + ".join(model.level_sql(name, model.home_weights(name)) for name in names)
    others = [comparison.name for comparison in model.comparisons() if not comparison.is_name]
    speaks = " or ".join(f"mw_{name} > 1" for name in others)
    odds = _log2(model.prior_same / model.prior_home)
    return f"""
        select
            unique_id_l as a, unique_id_r as b, not ({speaks}) as name_only,
            match_weight as against_strangers, {double(odds)} + {home} as against_home
        from {{table}}
    """


@contextmanager
def scored(
    connection: duckdb.DuckDBPyConnection, pairs: Pairs, model: Model, *, keep_weight: float | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
    """Splink's predictions for `pairs` as a table on a scratch connection that lives as long as the block."""
    from splink import Linker
    from splink.backends.duckdb import DuckDBAPI

    with scratch(connection) as scratched, _quiet():
        _copy(connection, scratched, pairs, model)
        api = DuckDBAPI(scratched)
        linker = Linker(
            api.register("wf_people", dataset_display_name="people"),
            model.splink_settings(),
            log_level="ERROR",
            validate_settings=False,
        )
        for column in _rarities(model):
            # The frequencies are columns of the people already; an empty lookup keeps Splink from counting again.
            scratched.execute(f"create table wf_tf_{column} as {_EMPTY_FREQUENCIES.format(column)}")
            linker.table_management.register_term_frequency_lookup(api.register(f"wf_tf_{column}"), column)
        linker.table_management.register_blocked_pairs_for_predict(api.register("wf_pairs"))
        try:
            predictions = linker.inference.predict(threshold_match_weight=keep_weight, warning_mode="never")
        except Exception as error:
            # Splink's message quotes values of records.
            raise CdpError(f"Scoring failed inside the matching engine ({type(error).__name__}).") from None
        yield scratched, predictions.physical_name


def _copy(
    connection: duckdb.DuckDBPyConnection, scratched: duckdb.DuckDBPyConnection, pairs: Pairs, model: Model
) -> None:
    named = f"select a as number from {pairs.pairs} union select b from {pairs.pairs}"
    wanted = (
        f"(select f.*, n.number from {people('identity.state_features')} as f "
        f"join {pairs.numbers} as n using (record_key) semi join ({named}) as w on w.number = n.number)"
    )
    # Views over Arrow: Splink copies what it needs of both.
    scratched.register("wf_people", connection.execute(people_sql(model, wanted)).to_arrow_table())
    named = "select '0' as match_key, a as join_key_l, b as join_key_r"
    scratched.register("wf_pairs", connection.execute(f"{named} from {pairs.pairs}").to_arrow_table())


def people_sql(model: Model, source: str, also: tuple[str, ...] = ()) -> str:
    """What the model compares of the people in the relation `source`, with `number` as id and name frequencies."""
    columns = sorted(
        {column for comparison in model.comparisons() for column in comparison.columns if not column.startswith("tf_")}
    )
    rarities = _rarities(model)
    joins = " ".join(
        f"left join identity.state_frequencies as f_{column} on f_{column}.model_version = '{model.version}' "
        f"and f_{column}.field = '{column}' and f_{column}.value = p.{column}"
        for column in rarities
    )
    unseen = double(1 / max(model.records, 1))
    frequencies = "".join(
        f", case when p.{column} is not null then coalesce(f_{column}.frequency, {unseen}) end as tf_{column}"
        for column in rarities
    )
    return (
        f"select p.number as unique_id, {', '.join(f'p.{column}' for column in (*columns, *also))}{frequencies} "
        f"from {source} as p {joins}"
    )


def _rarities(model: Model) -> list[str]:
    return [comparison.rarity for comparison in model.comparisons() if comparison.rarity]


def _log2(value: float) -> float:
    import math

    return math.log2(value)


@contextmanager
def _quiet() -> Iterator[None]:
    """Splink logs every query it runs."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
