"""Which records have outlived a rule of retention, as SQL over their fields: the same at the gate and in raw tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from cdp.settings import Settings
from pipelines.sources.entity import Entity
from pipelines.sources.fields import literal, moment, text, texts
from pipelines.sources.registry import ENTITIES
from privacy.retention import standing
from privacy.retention.rules import RecordsRule, Rules, load

# SQL condition by `source.entity`.
Limits = dict[str, str]


@dataclass(frozen=True)
class Marked:
    """Keys of records (source.entity, key) that were judged as a whole: which go, and which stay with old lines."""

    gone: Sequence[tuple[str, str]] = ()
    kept: Sequence[tuple[str, str]] = ()

    def install(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Write them to a connection, for conditions of `by_record`."""
        for table, rows in (("marked_gone", self.gone), ("marked_kept", self.kept)):
            connection.execute(f"create or replace temp table {table} (of varchar, record_key varchar)")
            if rows:
                names, keys = zip(*rows, strict=True)
                given = pa.table({"of": pa.array(names, pa.string()), "record_key": pa.array(keys, pa.string())})
                connection.register("arriving", given)
                connection.execute(f"insert into {table} select * from arriving")
                connection.unregister("arriving")


def load_rules(settings: Settings) -> Rules:
    """The rules of the settings. ConfigurationError for one that cannot be."""
    return load(settings.privacy_retention, {entity.name: entity.column_names for entity in ENTITIES})


def limits(rules: Iterable[RecordsRule], now: datetime) -> Limits:
    """For each entity that a rule speaks of: when a record has outlived one of them."""
    found: Limits = {}
    by_name = {entity.name: entity for entity in ENTITIES}
    for rule in rules:
        wanted = outlived(by_name[rule.of], rule, now)
        found[rule.of] = f"{found[rule.of]} or {wanted}" if rule.of in found else wanted
    return found


def by_record(limits: Limits) -> Limits:
    """The same for lines of records that were judged as a whole: what is `Marked` counts more than a line's own age."""
    entities = {entity.name: entity for entity in ENTITIES}
    found: Limits = {}
    for name, condition in limits.items():
        key = " || ':' || ".join(text(column) for column in entities[name].key)
        gone, kept = (
            f"coalesce({key} in (select record_key from {table} where of = {literal(name)}), false)"
            for table in ("marked_gone", "marked_kept")
        )
        found[name] = f"((({condition}) and not {kept}) or {gone})"
    return found


def outlived(entity: Entity, rule: RecordsRule, now: datetime) -> str:
    """When a record has outlived a rule; one whose time is not known has not."""
    time = moment(rule.since) if rule.since else entity.happened_at
    parts = [f"({time}) < timestamp {literal(rule.period.before(now).isoformat(sep=' '))}"]
    parts += [f"lower({text(field)}) in ({', '.join(map(literal, values))})" for field, values in rule.only]
    return f"coalesce({' and '.join(parts)}, false)"


def at_the_gate(settings: Settings) -> Limits:
    """Those that keep deliveries out."""
    rules = load_rules(settings).records
    in_force = standing.read(settings.privacy).in_force if rules else frozenset()
    return limits((rule for rule in rules if rule.digest in in_force), settings.clock.now())


def aged_sql(entity: Entity, condition: str, records: str) -> str:
    """A query of the `row_no` of the `records` (row_no, and the canonical record as JSON) that meet a condition."""
    return f"select row_no from {texts(entity.column_names, [condition], records)} where {condition}"
