"""What is said when a key is unknown: that there is no such thing, and the nearest key that is known."""

from __future__ import annotations

import sqlalchemy as sa

from cdp.errors import NotFoundError
from cdp.store.delivery_tables import destinations
from cdp.store.schema import segments
from cdp.store.trigger_tables import triggers
from cdp.wording import nearest

LONGEST = 64


def no_segment(connection: sa.Connection, key: str) -> NotFoundError:
    """There is no such segment."""
    return _no("segment", segments, "cdp segment list", connection, key)


def no_destination(connection: sa.Connection, key: str) -> NotFoundError:
    """There is no such destination."""
    return _no("destination", destinations, "cdp destination list", connection, key)


def no_trigger(connection: sa.Connection, key: str) -> NotFoundError:
    """There is no such trigger."""
    return _no("trigger", triggers, "cdp triggers list", connection, key)


def _no(word: str, table: sa.Table, command: str, connection: sa.Connection, key: str) -> NotFoundError:
    near = nearest(key, connection.scalars(sa.select(table.c.key).order_by(table.c.key)))
    return NotFoundError(f"There is no {word} {key[:LONGEST]!r}.{near} `{command}` shows them.")
