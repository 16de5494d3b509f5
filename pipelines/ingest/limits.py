"""Which records have outlived a rule of retention, as SQL over their fields: the same at the gate and in raw tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cdp.settings import Settings
from pipelines.sources.entity import Entity
from pipelines.sources.fields import literal, moment, text, texts
from pipelines.sources.registry import ENTITIES
from privacy.retention import standing
from privacy.retention.rules import RecordsRule, Rules, load

# SQL condition by `source.entity`.
Limits = dict[str, str]


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
