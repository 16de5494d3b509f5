"""Destinations created, changed, tried and shown; the same for the command line and the API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from activation import config as configs
from activation import files, tables, webhook
from activation.message import build, judge
from cdp.errors import InputError
from cdp.store import destinations as kept
from cdp.store.destinations import Destination
from cdp.store.outbox import Outbox
from cdp.store.schema import profiles

SAMPLE = 5
_TEXT = 200


@dataclass(frozen=True)
class Wanted:
    """A destination as a person asks for it; `secret` None keeps the former one, or makes one for a webhook.

    `purpose` None is that of its first segment.
    """

    key: str
    title: str
    config: Mapping[str, Any]
    segments: Sequence[str]
    purpose: str | None = None
    enabled: bool = True
    secret: str | None = None


def save(
    outbox: Outbox, wanted: Wanted, *, by: str, at: datetime, expected: int | None, backfill: bool = True
) -> tuple[Destination, str | None]:
    """Create or change a destination. The secret is told only when it was made here, and only now.

    Raises InputError for what cannot be, and as `cdp.store.destinations.save`.
    """
    if not re.fullmatch(configs.KEY, wanted.key):
        raise InputError("Destination, key: lower-case letters, digits and underscores, beginning with a letter.")
    title = wanted.title.strip()
    if not title or len(title) > _TEXT or not title.isprintable():
        raise InputError(f"Destination, title: up to {_TEXT} printable characters.")
    if not wanted.segments:
        raise InputError("Destination, segments: name at least one; `cdp segment list` shows them.")
    config = configs.parse(wanted.config)
    if isinstance(config, configs.Files):
        files.require_place(config)
    document = _any_document(outbox)
    if document is not None:
        configs.require_paths(config, document)
    secret, made = _secret(outbox, wanted, config, expected=expected)
    purpose = wanted.purpose or kept.purpose_of(outbox, wanted.segments[0])
    found = Destination(
        wanted.key, config.kind, title, purpose, config.model_dump(), tuple(wanted.segments), wanted.enabled, 0, by, at,
        secret,
    )  # fmt: skip
    saved = kept.save(outbox, found, expected=expected, backfill=backfill)
    return saved, made


def _secret(
    outbox: Outbox, wanted: Wanted, config: configs.Webhook | configs.Files | configs.Table, *, expected: int | None
) -> tuple[str | None, str | None]:
    """The secret to keep, and the same when it was made here."""
    former = None
    if expected is not None:
        known = {one.key: one for one in kept.read_all(outbox)}.get(wanted.key)
        former = known.secret if known and known.kind == config.kind else None
    given = wanted.secret if wanted.secret is not None else former
    if isinstance(config, configs.Table):
        tables.require_address(given)
        return given, None
    if isinstance(config, configs.Files):
        if wanted.secret is not None:
            raise InputError("A destination of kind files has no secret.")
        return None, None
    if given is None:
        made = webhook.new_secret()
        return made, made
    webhook.require_secret(given)
    return given, None


def shown(one: Destination, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
    """A destination as facts, without its secret; with messages by state when they are given."""
    facts = {name: value for name, value in vars(one).items() if name != "secret"}
    facts["segments"] = list(one.segments)
    facts["saved_at"] = one.saved_at.isoformat()
    if counts is not None:
        facts["messages"] = dict(counts)
    return facts


def rehearse(outbox: Outbox, key: str, now: datetime, *, most: int = 10_000) -> dict[str, Any]:
    """What a pass would do, with nothing sent and nothing noted: counts, and a few messages with values masked.

    Looks at the first `most` messages that are due.
    """
    destination = kept.read(outbox, key)
    config = configs.parse(destination.config)
    counts: dict[str, int] = {}
    sample: list[dict[str, Any]] = []
    empty = dict.fromkeys(config.fields, 0)
    for one in outbox.due(key, now, most):
        standing = outbox.standing(one)
        verdict = judge(one, standing)
        told = verdict.send or verdict.otherwise
        counts[told] = counts.get(told, 0) + 1
        if verdict.send is None:
            continue
        message = build(one, verdict, standing, config.fields)
        for name in empty:
            empty[name] += message.member and message.fields.get(name) is None
        if len(sample) < SAMPLE:
            sample.append({**message.row(), **{name: mask(value) for name, value in message.fields.items()}})
    return {"destination": key, "would": counts, "empty_fields": empty, "sample": sample}


def mask(value: Any) -> Any:
    """A value as a sample may show it: numbers and yes or no as they are, of a text the first letter."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:1] + "***" if text else ""


def _any_document(outbox: Outbox) -> dict[str, Any] | None:
    statement = sa.select(profiles.c.document).where(profiles.c.status == "living").limit(1)
    with outbox.reading() as connection:
        document = connection.scalar(statement)
    return json.loads(document) if document else None
